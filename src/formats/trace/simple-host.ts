import { type HostEvent, readHostLine } from "./host-event.ts";

/**
 * Records of the host's side in QEMU's `simple` format: they have the arguments of the log's lines, and are read as such.
 *
 * @module
 */

type Argument = bigint | string;

const x = (value: Argument): string => `0x${value.toString(16)}`;
const range = (values: readonly Argument[]): string => `${x(values[0]!)} - ${x(values[1]!)}`;

/** What the log prints of the arguments. */
const TEXTS: Readonly<Record<string, (values: readonly Argument[]) => string>> = {
  vfio_spapr_create_window: ([shift, levels, bytes, offset]) =>
    `pageshift=${x(shift!)} levels=${levels} winsize=${x(bytes!)} offset=${x(offset!)}`,
  vfio_spapr_remove_window: ([offset]) => `offset=${x(offset!)}`,
  // QEMU 10 has the region's name before the range.
  vfio_listener_region_add_iommu: (values) =>
    `region_add [iommu] ${typeof values[0] === "string" ? `${values[0]} ` : ""}${range(values.slice(-2))}`,
  vfio_listener_region_add_ram: (values) => `region_add [ram] ${range(values)} [${x(values[2]!)}]`,
  vfio_listener_region_del: (values) => `region_del ${range(values)}`,
  vfio_iommu_map_notify: ([op, ...values]) => `iommu ${op} @ ${range(values)}`,
  vfio_prereg_register: ([va, size, ret]) =>
    `va=${x(va!)} size=${x(size!)} ret=${BigInt.asIntN(32, ret as bigint)}`,
  vfio_prereg_unregister: ([va, size, ret]) =>
    `va=${x(va!)} size=${x(size!)} ret=${BigInt.asIntN(32, ret as bigint)}`,
};

/** Numbers of each event's arguments, and whether a text stands before them. */
const NUMBERS: Readonly<Record<string, readonly [numbers: number, text: boolean | "maybe"]>> = {
  vfio_spapr_create_window: [4, false],
  vfio_spapr_remove_window: [1, false],
  vfio_listener_region_add_iommu: [2, "maybe"],
  vfio_listener_region_add_ram: [3, false],
  vfio_listener_region_del: [2, false],
  vfio_iommu_map_notify: [2, true],
  vfio_prereg_register: [3, false],
  vfio_prereg_unregister: [3, false],
};

/** Is this the name of an event of the host's side? */
export const isHostName = (name: string): boolean => Object.hasOwn(TEXTS, name);

/**
 * Reads the arguments of a record.
 *
 * @returns undefined if they are not what this event has
 */
export function readHostRecord(
  name: string,
  view: DataView,
  start: number,
  length: number,
  little: boolean,
): Omit<HostEvent, "line" | "event"> | undefined {
  const [numbers, text] = NUMBERS[name]!;
  const values: Argument[] = [];
  let at = start;
  if (text === true || (text === "maybe" && length !== numbers * 8)) {
    const bytes = length >= 4 ? view.getUint32(at, little) : 0;
    if (bytes + 4 + numbers * 8 !== length) return undefined;
    values.push(String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at + 4, bytes)));
    at += 4 + bytes;
  }
  if (start + length - at !== numbers * 8) return undefined;
  for (let i = 0; i < numbers; i++, at += 8) values.push(view.getBigUint64(at, little));
  return readHostLine(`${name} ${TEXTS[name]!(values)}`);
}
