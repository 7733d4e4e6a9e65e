/** Builds streams by hand, with nothing from the code under test. */

/** Big-endian numbers of a width in bytes. */
export const be = (width: number, value: number | bigint): number[] =>
  Array.from({ length: width }, (_, i) => Number((BigInt(value) >> BigInt(8 * (width - 1 - i))) & 0xffn));

export const ascii = (text: string): number[] => [...Buffer.from(text, "latin1")];

export const named = (name: string): number[] => [name.length, ...ascii(name)];

/** START (1) or FULL (4), with footer. */
export const section = (
  type: number,
  id: number,
  name: string,
  instanceId: number,
  version: number,
  data: number[],
): number[] => [
  type,
  ...be(4, id),
  ...named(name),
  ...be(4, instanceId),
  ...be(4, version),
  ...data,
  ...footer(id),
];

/** PART (2) or END (3), with footer. */
export const part = (type: number, id: number, data: number[]): number[] => [
  type,
  ...be(4, id),
  ...data,
  ...footer(id),
];

export const footer = (id: number): number[] => [0x7e, ...be(4, id)];

export const command = (number: number, data: number[]): number[] => [
  8,
  ...be(2, number),
  ...be(2, data.length),
  ...data,
];

export const EOS: number[] = be(8, 0x10);

export const HEADER: number[] = [...ascii("QEVM"), ...be(4, 3)];

export const CONFIGURATION: number[] = [7, ...be(4, 11), ...ascii("pseries-7.2")];

export const tceData = (
  liobn: number,
  entries: readonly bigint[],
  defWin: boolean | null,
  geometry: [busOffset: bigint, pageShift: number] | null,
): number[] => [
  ...be(4, liobn),
  ...be(4, entries.length),
  0,
  ...entries.flatMap((entry) => be(8, entry)),
  ...(defWin === null ? [] : [Number(defWin)]),
  ...(geometry === null
    ? []
    : [5, ...named("spapr_iommu_ex"), ...be(4, 1), ...be(8, geometry[0]), ...be(4, geometry[1])]),
];

/** The end of a stream with a description. */
export const described = (devices: readonly object[]): number[] => {
  const text = JSON.stringify({ page_size: 4096, devices });
  return [0, 6, ...be(4, text.length), ...ascii(text)];
};

/** A device of one field. */
export const device = (name: string, instanceId: number, size: number): object => ({
  name,
  instance_id: instanceId,
  vmsd_name: name,
  version: 1,
  fields: [{ name: "data", type: "buffer", size }],
});

export const RAM_BLOCK = "ppc_spapr.ram";

/** A page of RAM as it stands in a stream. */
export const page = (address: number, byte: number): number[] => [
  ...be(8, address | 0x08 | 0x20),
  ...new Array<number>(4096).fill(byte),
];

/**
 * A whole machine in few bytes: every kind of record, of RAM page and of
 * section, two TCE tables, and device data that looks like a footer.
 */
export const smallStream = (): Uint8Array => SMALL.slice();

function makeSmallStream(): Uint8Array {
  const name = named(RAM_BLOCK);
  const trap = [...footer(9), 0x55, 0x7e, 0x7e];
  return Uint8Array.from([
    ...HEADER,
    ...CONFIGURATION,
    ...[
      5,
      ...named("configuration/capabilities"),
      ...be(4, 1),
      ...be(4, 2),
      ...named("events"),
      ...named("x"),
    ],
    ...[5, ...named("configuration/uuid"), ...be(4, 1), ...new Array<number>(16).fill(0xab)],
    ...section(1, 2, "ram", 0, 4, [...be(8, 0x4000 | 0x04), ...name, ...be(8, 0x4000), ...EOS]),
    ...section(1, 3, "spapr/htab", 0, 1, be(4, 24)),
    ...command(2, be(4, 7)),
    ...part(2, 2, [...be(8, 0x02), ...name, 0, ...be(8, 0x1000 | 0x22), 0x5a, ...EOS]),
    ...part(2, 3, [
      ...be(4, 0),
      ...be(4, 8),
      ...be(2, 1),
      ...be(2, 3),
      ...new Array<number>(16).fill(0x7e),
      ...be(8, 0),
    ]),
    ...part(3, 2, EOS),
    ...part(3, 3, be(4, 0xffff_ffff)),
    ...section(4, 9, "timer", 0, 1, trap),
    ...section(
      4,
      10,
      "spapr_iommu",
      0x8000_0000,
      3,
      tceData(0x8000_0000, [0n, 0x1003n, 0x2003n], true, null),
    ),
    ...section(
      4,
      11,
      "spapr_iommu",
      0x8000_0001,
      3,
      tceData(0x8000_0001, [0x1_0003n], false, [1n << 59n, 16]),
    ),
    ...section(4, 12, "globalstate", 0, 1, [1, 2, 3]),
    ...described([
      device("timer", 0, trap.length),
      device("spapr_iommu", 0x8000_0000, 10 + 24),
      device("spapr_iommu", 0x8000_0001, 10 + 8 + 32),
      device("globalstate", 0, 3),
    ]),
  ]);
}

const SMALL = makeSmallStream();
