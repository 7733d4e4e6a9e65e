/** Builds containers by hand, with nothing from the code under test. */
import {
  ascii,
  be,
  CONFIGURATION,
  command,
  described,
  device,
  EOS,
  footer,
  HEADER,
  named,
  part,
  RAM_BLOCK,
  section,
  tceData,
} from "../migration/small-stream.ts";

const le = (width: number, value: number): number[] => be(width, value).reverse();

export const DEVICES: readonly number[] = [
  ...section(4, 9, "timer", 0, 1, [1, 2, 3]),
  ...section(4, 4, "spapr_iommu", 0x8000_0000, 3, tceData(0x8000_0000, [0n, 0x1003n, 0x2003n], true, null)),
  ...section(4, 5, "spapr_iommu", 0x8000_0001, 3, tceData(0x8000_0001, [0x1_0003n], false, [1n << 59n, 16])),
];
const DESCRIBED = described([
  device("timer", 0, 3),
  device("spapr_iommu", 0x8000_0000, 9 + 24 + 1),
  device("spapr_iommu", 0x8000_0001, 9 + 8 + 1 + 1 + 1 + 14 + 4 + 12),
]);
/** What a reader has to find in {@link DEVICES}. */
export const TABLES = [
  [0x8000_0000, [1, 0x1003n], [2, 0x2003n]],
  [0x8000_0001, [0, 0x1_0003n]],
];

const ramHead = (size: number): number[] => [...be(8, size + 4), ...named(RAM_BLOCK), ...be(8, size)];
const capabilities = (...names: string[]): number[] => [
  ...[5, ...named("configuration/capabilities"), ...be(4, 1)],
  ...be(4, names.length),
  ...names.flatMap(named),
];

/** A plain machine with two pages of memory. */
export const plainStream = (): number[] => [
  ...HEADER,
  ...CONFIGURATION,
  ...section(1, 2, "ram", 0, 4, [...ramHead(0x2000), ...EOS]),
  ...part(3, 2, [...be(8, 0x02), ...named(RAM_BLOCK), 0x5a, ...EOS]),
  ...DEVICES,
  ...DESCRIBED,
];

/** A machine that was allowed to go on in postcopy, and did not. */
export const advisedStream = (): number[] => {
  const bytes = plainStream();
  const at = HEADER.length + CONFIGURATION.length;
  const advice = [...command(1, []), ...command(3, [...be(8, 4096), ...be(8, 4096)])];
  return [...bytes.slice(0, at), ...advice, ...bytes.slice(at)];
};

/** Pages at places of their own. @param origin bytes of the file before the stream */
export function mappedStream(
  origin = 0,
  size = 0x2000,
  shared = false,
  more: readonly string[] = [],
): number[] {
  const names = ["mapped-ram", ...(shared ? ["x-ignore-shared"] : []), ...more];
  const head = [...HEADER, ...CONFIGURATION, ...capabilities(...names)];
  const before = [
    ...[1, ...be(4, 2), ...named("ram"), ...be(4, 0), ...be(4, 4)],
    ...ramHead(size),
    ...(shared ? be(8, 0x1000_0000) : []),
  ];
  const bitmap = origin + head.length + before.length + 28;
  const pages = origin + Math.ceil((bitmap - origin + 1) / 0x1000) * 0x1000;
  const bits = [0b10, ...new Array<number>(Math.ceil(size / 0x8000) - 1).fill(0)];
  const start = [...head, ...before, ...be(4, 1), ...be(8, 4096), ...be(8, bitmap), ...be(8, pages), ...bits];
  return [
    ...start,
    ...new Array<number>(pages - origin - start.length).fill(0),
    ...new Array<number>(0x1000).fill(0),
    ...new Array<number>(0x1000).fill(0x77),
    ...new Array<number>(size - 0x2000).fill(0),
    ...[...EOS, ...footer(2)],
    ...part(3, 2, EOS),
    ...DEVICES,
    ...DESCRIBED,
  ];
}

/** Mapped pages, but the only block is a shared file, which is left out: it has no places. */
export const ignoredStream = (): number[] => [
  ...[...HEADER, ...CONFIGURATION, ...capabilities("x-ignore-shared", "mapped-ram")],
  ...section(1, 2, "ram", 0, 4, [
    ...[...ramHead(0x2000), ...be(8, 0)],
    ...[...be(4, 1), ...be(8, 4096), ...be(8, 0), ...be(8, 0)],
    ...EOS,
  ]),
  ...[...part(3, 2, EOS), ...DEVICES, ...DESCRIBED],
];

/** @param memory of what follows the package: bytes of it */
export function postcopyStream(memory = Infinity): number[] {
  const pack = [...command(4, []), ...DEVICES, ...command(2, be(4, 3)), ...command(5, [])];
  const after = [...part(2, 2, [...be(8, 0x02), ...named(RAM_BLOCK), 0x5a, ...EOS]), ...part(3, 2, EOS), 0];
  return [
    ...HEADER,
    ...CONFIGURATION,
    ...command(1, []),
    ...command(3, [...be(8, 4096), ...be(8, 4096)]),
    ...section(1, 2, "ram", 0, 4, [...ramHead(0x2000), ...EOS]),
    ...command(6, [0, ...named(RAM_BLOCK), 0, ...be(8, 0), ...be(8, 0x1000)]),
    ...command(7, be(4, pack.length)),
    ...pack,
    ...after.slice(0, memory),
  ];
}

/** @param packed a page as zlib packs it */
export const compressedStream = (packed: Uint8Array): number[] => [
  ...HEADER,
  ...CONFIGURATION,
  ...section(1, 2, "ram", 0, 4, [...ramHead(0x2000), ...EOS]),
  ...part(2, 2, [...be(8, 0x1000 | 0x100), ...named(RAM_BLOCK), ...be(4, packed.length), ...packed, ...EOS]),
  ...part(3, 2, [...be(8, 0x100 | 0x20), ...be(4, packed.length), ...packed, ...EOS]),
  ...DEVICES,
  ...DESCRIBED,
];

/** A machine of pseries-2.1, or with a description of pseries-2.3. */
export const oldStream = (withDescription: boolean): number[] => {
  const bare = (bytes: readonly number[]): number[] => [...bytes].slice(0, -5);
  return [
    ...HEADER,
    ...bare(section(1, 2, "ram", 0, 4, [...ramHead(0x2000), ...EOS])),
    ...bare(part(3, 2, EOS)),
    ...bare(section(4, 9, "timer", 0, 1, [1, 4, 0])),
    ...bare(section(4, 4, "spapr_iommu", 0x8000_0000, 2, tceData(0x8000_0000, [0n, 0x1003n], null, null))),
    ...bare(section(4, 10, "l-lan@71000003/spapr_llan", 0, 1, [0, 0, 4, 0, 0, 0, 0, 8, 0, 0])),
    ...(withDescription
      ? described([
          device("timer", 0, 3),
          device("spapr_iommu", 0x8000_0000, 9 + 16),
          device("l-lan@71000003/spapr_llan", 0, 10),
        ])
      : [0]),
  ];
};

export const XML = `<domain type='kvm'><name>guest</name><memory unit='MiB'>256</memory><os><type arch='ppc64le' machine='pseries-7.2'>hvm</type></os></domain>`;

/** An image of libvirt's, in either byte order. */
export function libvirtImage(
  stream: Uint8Array | readonly number[],
  { isBig = false, form = 0, magic = "LibvirtQemudSave" } = {},
): number[] {
  const word = isBig ? be : le;
  const data = [...ascii(XML), 0, ...ascii("<cookie/>"), 0, ...new Array<number>(100).fill(0)];
  const words = [2, data.length, 1, form, XML.length + 1, ...new Array<number>(14).fill(0)];
  return [...ascii(magic), ...words.flatMap((value) => word(4, value)), ...data, ...stream];
}

/** How a disk is made. */
export interface DiskShape {
  readonly version?: 2 | 3;
  readonly snapshots: readonly {
    readonly name: string;
    readonly state: readonly number[];
    readonly seconds?: number;
    /** Bytes that the list of snapshots says, if others. */
    readonly told?: number;
  }[];
  readonly backing?: string;
  /** Clusters have parts (extended_l2), of which those with anything in them are there. */
  readonly isDivided?: boolean;
}

const CLUSTER = 512;
const DISK_BYTES = CLUSTER * (CLUSTER / 8);

/** A disk with snapshots, in clusters of 512 bytes. */
export function qcow2Disk({
  version = 3,
  snapshots,
  backing = "",
  isDivided = false,
}: DiskShape): Uint8Array {
  const span = isDivided ? DISK_BYTES / 2 : DISK_BYTES;
  const clusters: number[][] = [[], []];
  const add = (bytes: readonly number[]): number => {
    const at = clusters.length * CLUSTER;
    for (let from = 0; from === 0 || from < bytes.length; from += CLUSTER)
      clusters.push(bytes.slice(from, from + CLUSTER));
    return at;
  };
  const table = snapshots.flatMap(({ name, state, seconds = 1_700_000_000, told = state.length }, number) => {
    const lists: number[] = [];
    for (let from = 0; from < state.length; from += span) {
      const part = state.slice(from, from + span);
      const places: number[] = [];
      for (let at = 0; at < part.length; at += CLUSTER) {
        const cluster = part.slice(at, at + CLUSTER);
        const [bytes, parts] = isDivided ? inParts(cluster) : [cluster, []];
        places.push(...be(8, (1n << 63n) | BigInt(add(bytes))), ...parts);
      }
      lists.push(...be(8, (1n << 63n) | BigInt(add(places))));
    }
    // The first lists are those of the disk.
    const ofDisk = new Array<number>(8 * (DISK_BYTES / span)).fill(0);
    const l1 = add([...ofDisk, ...lists]);
    const extra = [...be(8, told), ...be(8, DISK_BYTES), ...be(8, 0)];
    const id = String(number + 1);
    const entry = [
      ...be(8, l1),
      ...be(4, (ofDisk.length + lists.length) / 8),
      ...[...be(2, id.length), ...be(2, name.length)],
      ...[...be(4, seconds), ...be(4, 0), ...be(8, 0), ...be(4, told), ...be(4, extra.length)],
      ...[...extra, ...ascii(id), ...ascii(name)],
    ];
    return [...entry, ...new Array<number>(-entry.length & 7).fill(0)];
  });
  const snapshotsAt = add(table);
  clusters[1] = ascii(backing);
  clusters[0] = [
    ...[...ascii("QFI"), 0xfb, ...be(4, version)],
    ...[...be(8, backing === "" ? 0 : CLUSTER), ...be(4, backing.length), ...be(4, 9), ...be(8, DISK_BYTES)],
    ...[...be(4, 0), ...be(4, 1), ...be(8, 0), ...be(8, 0), ...be(4, 0)],
    ...[...be(4, snapshots.length), ...be(8, snapshotsAt)],
    ...(version === 2
      ? []
      : [...be(8, isDivided ? 16 : 0), ...be(8, 0), ...be(8, 0), ...be(4, 4), ...be(4, 104)]),
  ];
  const bytes = new Uint8Array(clusters.length * CLUSTER);
  for (const [number, cluster] of clusters.entries()) bytes.set(cluster, number * CLUSTER);
  return bytes;
}

/** A cluster whose parts of zeros have something else in them, as they are not there, and the bits that say which are. */
function inParts(cluster: readonly number[]): [bytes: number[], bits: number[]] {
  const bytes = [...cluster, ...new Array<number>(CLUSTER - cluster.length).fill(0)];
  let bits = 0n;
  for (let part = 0; part < 32; part++) {
    const at = part * (CLUSTER / 32);
    if (bytes.slice(at, at + CLUSTER / 32).every((byte) => byte === 0))
      bytes.fill(0xee, at, at + CLUSTER / 32);
    else bits |= 1n << BigInt(part);
  }
  return [bytes, be(8, bits)];
}
