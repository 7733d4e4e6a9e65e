/**
 * `/sys/kernel/debug/dma-api/dump`: what CONFIG_DMA_API_DEBUG knows to be mapped at one moment, a line for each mapping.
 *
 *     virtio-pci 0000:00:05.0 single idx 13000 P=0x000000011f4c0010 D=11f4c0010 L=3ff0 cln=0x00000000047d3000 DMA_FROM_DEVICE dma map error checked
 *
 * The kernel's log has the same lines where a driver left mappings, with a colon after the device.
 *
 * @module
 */

/** A mapping that was alive when the dump was read. */
export interface DumpedMapping {
  /** Line from 1. */
  readonly line: number;
  readonly driver: string;
  readonly device: string;
  /** `single`, `scatter-gather`, `coherent`, `noncoherent`, `resource`, or what a later kernel calls it. */
  readonly type: string;
  readonly address: bigint;
  readonly bytes: bigint;
  readonly memory: bigint;
  /** `TO_DEVICE`, as the events call it. */
  readonly direction: string;
}

const HEX = "(?:0x)?([0-9a-f]{1,16})";
const MAPPING = new RegExp(
  `(\\S+) (\\S+?):? (\\S+) idx \\d+ P=${HEX} (?:N=${HEX} )?D=${HEX} L=${HEX} (?:cln=${HEX} )?DMA_([A-Z_]+)`,
);

/** Characters of a line that are looked at. */
const MAX_LINE = 1000;

/** What a line says of a mapping; null if nothing. Looking for the mark first keeps long lines of other things cheap. */
const mappingIn = (line: string): RegExpExecArray | null =>
  line.length <= MAX_LINE && line.includes(" idx ") ? MAPPING.exec(line) : null;

/** What the kernel's log puts before a line. */
const LOGGED = /^(?:<\d+>)?\[ *\d+\.\d+\](?:\[[ TC\d]+\])? */;

const firstLine = (head: Uint8Array): string =>
  new TextDecoder("latin1")
    .decode(head)
    .split("\n")
    .find((line) => line.trim() !== "" && !line.startsWith("#")) ?? "";

/** Does a text begin as the dump does? Comments and empty lines may stand before. */
export const isDmaDump = (head: Uint8Array): boolean => mappingIn(firstLine(head))?.index === 0;

/** Does it begin so, perhaps in the kernel's log? That is read for what else it says by what judges events. */
export const isLoggedDump = (head: Uint8Array): boolean =>
  mappingIn(firstLine(head).replace(LOGGED, ""))?.index === 0;

/** Reads a dump; what else stands in the text is counted. */
export function readDmaDump(text: string): { readonly mappings: DumpedMapping[]; readonly others: number } {
  const mappings: DumpedMapping[] = [];
  let others = 0;
  for (const [i, line] of text.split("\n").entries()) {
    const match = mappingIn(line);
    if (match === null) {
      if (line.trim() !== "" && !line.startsWith("#")) others++;
      continue;
    }
    const [, driver, device, type, memory, , address, bytes, , direction] = match;
    mappings.push({
      line: i + 1,
      driver: driver!,
      device: device!,
      type: type!,
      address: BigInt(`0x${address}`),
      bytes: BigInt(`0x${bytes}`),
      memory: BigInt(`0x${memory}`),
      direction: direction!,
    });
  }
  return { mappings, others };
}
