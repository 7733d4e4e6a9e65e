/**
 * Machines that are saved inside a disk (`savevm`, `virsh snapshot-create`): the internal snapshots of a qcow2 image,
 * version 2 and 3.
 *
 * A snapshot has a list of clusters (L1) of its own, in which the machine's state stands behind the end of the disk.
 * Only what leads there is read; how often clusters are used is of no interest.
 *
 * @module
 */

import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import type { ByteFile } from "../migration/source.ts";

const MAGIC = [0x51, 0x46, 0x49, 0xfb];
/** Bytes of the head that every image has, and those of version 3. */
const [HEAD_BYTES, HEAD_BYTES_3] = [72, 104];
/** Bytes of an entry in the list of snapshots before what varies. */
const ENTRY_BYTES = 40;
/** As QEMU has them. */
const MAX_SNAPSHOTS = 65_536;
const MAX_EXTRA = 1024;
const [MIN_CLUSTER_BITS, MAX_CLUSTER_BITS] = [9, 21];

const FEATURE_DATA_FILE = 4n;
const FEATURE_EXTENDED_L2 = 16n;
/** Dirty, corrupt, way of compression: of no interest here. */
const KNOWN_FEATURES = 1n | 2n | 8n;

/** Offsets beyond are none, and sums of two stay exact. */
const MAX_OFFSET = 2n ** 52n;

const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;
const COMPRESSED = 1n << 62n;
const ZEROS = 1n;

/**
 * An internal snapshot of a disk.
 *
 * @public
 */
export interface DiskSnapshot {
  readonly id: string;
  readonly name: string;
  /** When it was made, in seconds since 1970. */
  readonly seconds: number;
  /** Bytes of the machine's state; 0 for a snapshot of the disk alone. */
  readonly stateBytes: number;
}

/** Where a snapshot's state is. */
interface PlacedSnapshot extends DiskSnapshot {
  readonly l1Offset: number;
  readonly l1Entries: number;
  readonly diskBytes: number;
}

/** Do these first bytes begin a qcow2 image? */
export const isQcow2 = (head: Uint8Array): boolean => MAGIC.every((byte, at) => head[at] === byte);

/** The snapshots of an image. */
export class Qcow2Snapshots {
  readonly snapshots: readonly DiskSnapshot[];
  readonly #placed: readonly PlacedSnapshot[];
  readonly #image: Image;

  private constructor(image: Image, placed: readonly PlacedSnapshot[]) {
    this.#image = image;
    this.#placed = placed;
    this.snapshots = placed.map(({ id, name, seconds, stateBytes }) => ({ id, name, seconds, stateBytes }));
  }

  /**
   * Reads the list of snapshots.
   *
   * @throws IommuError BAD_FILE with the offset for an image that is damaged; UNSUPPORTED for one that is encrypted or
   * has its data elsewhere
   */
  static async read(file: ByteFile): Promise<Qcow2Snapshots> {
    const image = await Image.open(file);
    return new Qcow2Snapshots(image, await readList(image));
  }

  /** The state of the machine that a snapshot of {@link snapshots} has. */
  state(snapshot: DiskSnapshot): ByteFile {
    return stateFile(this.#image, this.#placed[this.snapshots.indexOf(snapshot)]!);
  }
}

class Image {
  readonly file: ByteFile;
  readonly clusterBits: number;
  readonly diskBytes: number;
  readonly snapshotCount: number;
  readonly snapshotOffset: number;
  /** Name of the file under this one, if there is one. */
  readonly backing: string | undefined;

  private constructor(file: ByteFile, head: DataView, backing: string | undefined) {
    this.file = file;
    this.clusterBits = head.getUint32(20);
    this.diskBytes = numberOf(head.getBigUint64(24), 24, "the size of the disk");
    this.snapshotCount = head.getUint32(60);
    this.snapshotOffset = numberOf(head.getBigUint64(64), 64, "the place of the snapshots");
    this.backing = backing;
    if (this.clusterBits < MIN_CLUSTER_BITS || this.clusterBits > MAX_CLUSTER_BITS)
      throw badImage(20, `clusters of 2^${this.clusterBits} bytes`);
    if (this.snapshotCount > MAX_SNAPSHOTS)
      throw badImage(60, `${this.snapshotCount} snapshots; at most ${MAX_SNAPSHOTS} are read`);
  }

  static async open(file: ByteFile): Promise<Image> {
    const head = await exactly(file, 0, HEAD_BYTES, "its head");
    const version = head.getUint32(4);
    if (version !== 2 && version !== 3) throw unsupportedImage(4, `version ${version}, not 2 or 3`);
    if (head.getUint32(32) !== 0) throw unsupportedImage(32, "it is encrypted");
    if (version === 3) {
      const features = (await exactly(file, 0, HEAD_BYTES_3, "its head")).getBigUint64(72);
      if ((features & FEATURE_DATA_FILE) !== 0n) throw unsupportedImage(72, "its data are in another file");
      if ((features & FEATURE_EXTENDED_L2) !== 0n)
        throw unsupportedImage(72, "its clusters are divided (extended_l2)");
      if ((features & ~KNOWN_FEATURES) !== 0n)
        throw unsupportedImage(72, `it has features that are not known (${hex(features)})`);
    }
    return new Image(file, head, await backingOf(file, head));
  }
}

async function backingOf(file: ByteFile, head: DataView): Promise<string | undefined> {
  const offset = numberOf(head.getBigUint64(8), 8, "the place of the backing file's name");
  const length = head.getUint32(16);
  if (offset === 0) return undefined;
  if (length > 1023) throw badImage(16, `a backing file whose name has ${length} bytes`);
  return textOf(await exactly(file, offset, length, "the name of its backing file"), 0, length);
}

async function readList(image: Image): Promise<PlacedSnapshot[]> {
  const placed: PlacedSnapshot[] = [];
  let offset = image.snapshotOffset;
  for (let i = 0; i < image.snapshotCount; i++) {
    const what = `snapshot ${i + 1} of ${image.snapshotCount}`;
    const head = await exactly(image.file, offset, ENTRY_BYTES, what);
    const [idBytes, nameBytes, extraBytes] = [head.getUint16(12), head.getUint16(14), head.getUint32(36)];
    if (extraBytes > MAX_EXTRA)
      throw badImage(offset + 36, `${what} has ${extraBytes} bytes more than it should`);
    const length = extraBytes + idBytes + nameBytes;
    const rest = await exactly(image.file, offset + ENTRY_BYTES, length, what);
    const extra = (at: number, without: bigint): bigint =>
      extraBytes >= at + 8 ? rest.getBigUint64(at) : without;
    placed.push({
      id: textOf(rest, extraBytes, idBytes),
      name: textOf(rest, extraBytes + idBytes, nameBytes),
      seconds: head.getUint32(16),
      stateBytes: numberOf(extra(0, BigInt(head.getUint32(32))), offset, `the state of ${what}`),
      diskBytes: numberOf(extra(8, BigInt(image.diskBytes)), offset, `the disk of ${what}`),
      l1Offset: numberOf(head.getBigUint64(0), offset, `the clusters of ${what}`),
      l1Entries: head.getUint32(8),
    });
    // Entries begin at multiples of 8.
    offset += (ENTRY_BYTES + length + 7) & ~7;
  }
  return placed;
}

/** The state of a snapshot as a file that is read anywhere. */
function stateFile(image: Image, snapshot: PlacedSnapshot): ByteFile {
  const cluster = 2 ** image.clusterBits;
  /** Bytes that one cluster of entries is about. */
  const span = cluster * (cluster / 8);
  const begin = Math.ceil(snapshot.diskBytes / span) * span;
  let entries: { readonly number: number; readonly view: DataView | undefined } = {
    number: -1,
    view: undefined,
  };
  let buffer = new Uint8Array(0);

  const entriesOf = async (number: number): Promise<DataView | undefined> => {
    if (entries.number === number) return entries.view;
    if (number >= snapshot.l1Entries) {
      const what = `the state of snapshot "${snapshot.name}" reaches beyond its ${snapshot.l1Entries} lists of clusters`;
      throw badImage(snapshot.l1Offset, what);
    }
    const at = snapshot.l1Offset + 8 * number;
    const place = (await exactly(image.file, at, 8, "a list of clusters")).getBigUint64(0) & OFFSET_MASK;
    const view =
      place === 0n
        ? undefined
        : await exactly(image.file, numberOf(place, at, "a list of clusters"), cluster, "a list of clusters");
    entries = { number, view: view === undefined ? undefined : new DataView(view.buffer.slice(0)) };
    return entries.view;
  };

  /** Where a cluster of the state is in the file; undefined for one that is zero. */
  const placeOf = async (position: number): Promise<number | undefined> => {
    const view = await entriesOf(Math.floor(position / span));
    const entry = view?.getBigUint64(8 * Math.floor((position % span) / cluster)) ?? 0n;
    if ((entry & COMPRESSED) !== 0n)
      throw unsupportedImage(position, `the state of snapshot "${snapshot.name}" has compressed clusters`);
    if ((entry & ZEROS) !== 0n) return undefined;
    const place = entry & OFFSET_MASK;
    if (place !== 0n) return numberOf(place, position, "a cluster");
    if (image.backing === undefined) return undefined;
    const where = `a cluster of the state of snapshot "${snapshot.name}" is not in this image, but in its backing file ${image.backing}`;
    throw unsupportedImage(position, where);
  };

  return {
    size: snapshot.stateBytes,
    async read(offset, length) {
      const end = Math.min(offset + length, snapshot.stateBytes);
      const bytes = Math.max(0, end - offset);
      if (buffer.length < bytes) buffer = new Uint8Array(bytes);
      const out = buffer.subarray(0, bytes);
      for (let at = offset; at < end; ) {
        const inCluster = (begin + at) % cluster;
        const part = out.subarray(at - offset, at - offset + cluster - inCluster);
        const place = await placeOf(begin + at - inCluster);
        if (place === undefined) part.fill(0);
        else part.set(bytesOf(await exactly(image.file, place + inCluster, part.length, "a cluster")));
        at += part.length;
      }
      return out;
    },
  };
}

/** So many bytes of a file, copied. */
async function exactly(file: ByteFile, offset: number, length: number, what: string): Promise<DataView> {
  const bytes = new Uint8Array(length);
  for (let have = 0; have < length; ) {
    const part =
      offset + have < file.size ? await file.read(offset + have, length - have) : bytes.subarray(0, 0);
    if (part.length === 0)
      throw badImage(
        offset + have,
        `the image ends within ${what}, which has ${length} bytes from ${offset} on`,
      );
    bytes.set(part.subarray(0, length - have), have);
    have += part.length;
  }
  return new DataView(bytes.buffer);
}

const bytesOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

const textOf = (view: DataView, at: number, length: number): string =>
  new TextDecoder().decode(bytesOf(view).subarray(at, at + length));

function numberOf(value: bigint, offset: number, what: string): number {
  if (value > MAX_OFFSET) throw badImage(offset, `${what}: ${hex(value)}`);
  return Number(value);
}

const badImage = (offset: number, what: string): IommuError =>
  new IommuError("BAD_FILE", `qcow2 image, byte ${offset} (${hex(offset)}): ${what}`, { offset });

const unsupportedImage = (offset: number, what: string): IommuError =>
  new IommuError("UNSUPPORTED", `qcow2 image, byte ${offset} (${hex(offset)}): ${what}`, { offset });
