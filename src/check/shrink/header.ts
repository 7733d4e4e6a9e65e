import { hex, hiOf, loOf } from "../../base/u64.ts";
import { buidOf, isPciLiobn, phbOfLiobn } from "../../spapr/papr.ts";
import { PHB_DEFAULTS } from "../../spapr/phb.ts";
import { DEFAULT_PROFILE, PROFILES } from "../../spapr/profile.ts";
import type { Operation } from "./target.ts";

/** What a script is about: a window, and what is to be seen of it. */
export interface ScriptSubject {
  readonly title: string;
  readonly liobn: number;
  readonly busOffset: bigint;
  /** Bytes of the default window, if that is what it is about and its size is to be that of the traced machine. */
  readonly dmaWinSize?: bigint | undefined;
  /** Where the window of 64 bits of the same bridge begins, if there is one. */
  readonly dma64WinAddr: bigint | undefined;
}

/** RAM comes in blocks of 256 MiB. */
const RAM_BLOCK = 0x1000_0000n;
const DEFAULT_RAM = 0x4000_0000n;
/** Targets beyond this are no memory of a machine that anybody has. */
const MAX_RAM = 1n << 36n;

/**
 * A machine with the bridges, devices and memory that operations need.
 *
 * @param ram bytes of the traced machine's memory, if that is what the script is about
 */
export function headerOf(
  operations: readonly Operation[],
  subject: ScriptSubject,
  ram: bigint | undefined,
): Operation {
  const { title, liobn } = subject;
  const isVio = !isPciLiobn(liobn);
  const index = isVio ? 0 : phbOfLiobn(liobn);
  return {
    header: 1,
    title,
    ramSize: hex(ram === undefined ? ramOf(operations) : blocksOf(ram)),
    phbs: [
      ...(index === 0 ? [] : [{ index: 0 }]),
      { index, ...pageSizesOf(operations), ...(isVio ? {} : addressesOf(subject)) },
    ],
    vio: isVio ? [`spapr-vlan,reg=${hex(liobn)}`] : [],
  };
}

/** The call that creates a window of the bridge that a LIOBN belongs to; sizes as powers of two. */
export function createCall(liobn: number, pageShift: number, windowShift: number): Operation {
  const buid = buidOf(phbOfLiobn(liobn));
  const cells = [0, hiOf(buid), loOf(buid)];
  return { op: "rtas", name: CREATE, args: [...cells, pageShift, windowShift], nret: 4 };
}

/** Name of that call. */
export const CREATE = "ibm,create-pe-dma-window";

const blocksOf = (ram: bigint): bigint => (ram < RAM_BLOCK ? RAM_BLOCK : (ram / RAM_BLOCK) * RAM_BLOCK);

/** Memory that all targets lie in, as far as a list does not hide them. */
function ramOf(operations: readonly Operation[]): bigint {
  let ram = DEFAULT_RAM;
  for (const { tce } of operations) {
    const address = typeof tce === "string" ? BigInt(tce) : 0n;
    if (address >= ram && address < MAX_RAM) ram = (address / RAM_BLOCK + 1n) * RAM_BLOCK;
  }
  return ram;
}

/** Page sizes of windows that are created, where the bridge would not allow them of itself. */
function pageSizesOf(operations: readonly Operation[]): Operation {
  const { defaultPageSizes } = PROFILES[DEFAULT_PROFILE]!;
  let sizes = defaultPageSizes;
  for (const { name, args } of operations) {
    const shift = name === CREATE ? (args as readonly number[])[3]! : 0;
    if (shift >= 12 && shift < 64) sizes |= 1n << BigInt(shift);
  }
  return sizes === defaultPageSizes ? {} : { pgsz: hex(sizes) };
}

/** Where the bridge puts its windows, if that is not where QEMU does. */
function addressesOf({ liobn, busOffset, dmaWinSize, dma64WinAddr }: ScriptSubject): Operation {
  const isDefault = (liobn & 0xff) === 0;
  const { dmaWinAddr, dmaWinSize: usualSize, dma64WinAddr: usual } = PHB_DEFAULTS;
  return {
    ...(isDefault && busOffset !== dmaWinAddr ? { dmaWinAddr: hex(busOffset) } : {}),
    ...(dmaWinSize === undefined || dmaWinSize === usualSize ? {} : { dmaWinSize: hex(dmaWinSize) }),
    ...(dma64WinAddr === undefined || dma64WinAddr === usual ? {} : { dma64WinAddr: hex(dma64WinAddr) }),
  };
}
