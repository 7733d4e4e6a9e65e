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
import { hasMappedRam } from "../migration/configuration.ts";
import type { ByteFile } from "../migration/source.ts";

const MAGIC = [0x51, 0x46, 0x49, 0xfb];
/** Bytes of the head that every image has, and those of version 3. */
const [HEAD_BYTES, HEAD_BYTES_3] = [72, 104];
/** Bytes of an entry in the list of snapshots before what varies. */
const ENTRY_BYTES = 40;
/** As QEMU has them. */
const MAX_SNAPSHOTS = 65_536;
const MAX_EXTRA = 1024;
const MAX_LISTS = 2 ** 22;
const [MIN_CLUSTER_BITS, MAX_CLUSTER_BITS] = [9, 21];

const FEATURE_DATA_FILE = 4n;
const FEATURE_EXTENDED_L2 = 16n;
/** Dirty, corrupt, way of compression are of no interest here. */
const KNOWN_FEATURES = 1n | 2n | 8n | FEATURE_EXTENDED_L2;
/** Parts of a cluster that is divided. */
const PARTS = 32;

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

  /** Name of the file under this one, if there is one. */
  get backing(): string | undefined {
    return this.#image.backing;
  }

  /** The state of the machine that a snapshot of {@link snapshots} has. */
  async state(snapshot: DiskSnapshot): Promise<ByteFile> {
    const placed = this.#placed[this.snapshots.indexOf(snapshot)]!;
    const state = new StateFile(this.#image, placed, placed.stateBytes);
    // QEMU counts what it wrote in order: pages at places of their own, and what follows them, lie behind that.
    return (await hasMappedRam(state)) ? new StateFile(this.#image, placed, await state.extent()) : state;
  }
}

class Image {
  readonly file: ByteFile;
  readonly clusterBits: number;
  readonly diskBytes: number;
  readonly snapshotCount: number;
  readonly snapshotOffset: number;
  readonly backing: string | undefined;
  /** Are clusters divided into parts that are there or not? Their entries are twice as long. */
  readonly isDivided: boolean;

  private constructor(file: ByteFile, head: DataView, backing: string | undefined, features: bigint) {
    this.file = file;
    this.isDivided = (features & FEATURE_EXTENDED_L2) !== 0n;
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
    let features = 0n;
    if (version === 3) {
      features = (await exactly(file, 0, HEAD_BYTES_3, "its head")).getBigUint64(72);
      if ((features & FEATURE_DATA_FILE) !== 0n) throw unsupportedImage(72, "its data are in another file");
      if ((features & ~KNOWN_FEATURES) !== 0n)
        throw unsupportedImage(72, `it has features that are not known (${hex(features)})`);
    }
    return new Image(file, head, await backingOf(file, head), features);
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
    if (head.getUint32(8) > MAX_LISTS)
      throw badImage(
        offset + 8,
        `${what} has ${head.getUint32(8)} lists of clusters; at most ${MAX_LISTS} are read`,
      );
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

/**
 * The state of a snapshot as a file that is read anywhere. Where nothing was written to it is zero: it lies behind the
 * end of the disk, where no backing file has anything for it.
 */
class StateFile implements ByteFile {
  readonly size: number;
  readonly #image: Image;
  readonly #snapshot: PlacedSnapshot;
  readonly #cluster: number;
  readonly #entryBytes: number;
  /** Bytes that one list of clusters is about. */
  readonly #span: number;
  /** Where the state begins on the disk. */
  readonly #begin: number;
  /** The list that was needed last, and its number. */
  #list: DataView | undefined;
  #listNumber = -1;
  #buffer = new Uint8Array(0);

  constructor(image: Image, snapshot: PlacedSnapshot, size: number) {
    this.size = size;
    this.#image = image;
    this.#snapshot = snapshot;
    this.#cluster = 2 ** image.clusterBits;
    this.#entryBytes = image.isDivided ? 16 : 8;
    this.#span = this.#cluster * (this.#cluster / this.#entryBytes);
    this.#begin = Math.ceil(snapshot.diskBytes / this.#span) * this.#span;
  }

  /** Bytes up to the end of the last cluster that is there, of any snapshot that was made before this one, too. */
  async extent(): Promise<number> {
    const { l1Offset, l1Entries } = this.#snapshot;
    const first = this.#begin / this.#span;
    const count = Math.max(0, l1Entries - first);
    const places = await exactly(this.#image.file, l1Offset + 8 * first, 8 * count, "the lists of clusters");
    let last = count - 1;
    while (last >= 0 && (places.getBigUint64(8 * last) & OFFSET_MASK) === 0n) last--;
    const list = last < 0 ? undefined : await this.#listOf(first + last);
    let clusters = (list?.byteLength ?? 0) / this.#entryBytes;
    while (clusters > 0 && list!.getBigUint64((clusters - 1) * this.#entryBytes) === 0n) clusters--;
    return Math.max(this.size, last * this.#span + clusters * this.#cluster);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(offset + length, this.size);
    const bytes = Math.max(0, end - offset);
    if (this.#buffer.length < bytes) this.#buffer = new Uint8Array(bytes);
    const out = this.#buffer.subarray(0, bytes);
    const unit = this.#image.isDivided ? this.#cluster / PARTS : this.#cluster;
    for (let at = offset; at < end; ) {
      const inUnit = (this.#begin + at) % unit;
      const part = out.subarray(at - offset, at - offset + unit - inUnit);
      const place = await this.#placeOf(this.#begin + at);
      if (place === undefined) part.fill(0);
      else part.set(bytesOf(await exactly(this.#image.file, place, part.length, "a cluster")));
      at += part.length;
    }
    return out;
  }

  async #listOf(number: number): Promise<DataView | undefined> {
    if (this.#listNumber === number) return this.#list;
    const { l1Offset, l1Entries, name } = this.#snapshot;
    if (number >= l1Entries) {
      const what = `the state of snapshot "${name}" reaches beyond its ${l1Entries} lists of clusters`;
      throw badImage(l1Offset, what);
    }
    const { file } = this.#image;
    const at = l1Offset + 8 * number;
    const what = "a list of clusters";
    const place = numberOf((await exactly(file, at, 8, what)).getBigUint64(0) & OFFSET_MASK, at, what);
    this.#list = place === 0 ? undefined : await exactly(file, place, this.#cluster, what);
    this.#listNumber = number;
    return this.#list;
  }

  /** Where a byte of the state is in the file; undefined where it is zero. */
  async #placeOf(position: number): Promise<number | undefined> {
    const list = await this.#listOf(Math.floor(position / this.#span));
    const inCluster = position % this.#cluster;
    const at = Math.floor((position % this.#span) / this.#cluster) * this.#entryBytes;
    const entry = list?.getBigUint64(at) ?? 0n;
    if ((entry & COMPRESSED) !== 0n) {
      const what = `the state of snapshot "${this.#snapshot.name}" has compressed clusters`;
      throw unsupportedImage(position, what);
    }
    const place = entry & OFFSET_MASK;
    if (place === 0n || (entry & ZEROS) !== 0n) return undefined;
    // The low half of the second word says which parts are there.
    const part = Math.floor((inCluster * PARTS) / this.#cluster);
    if (this.#image.isDivided && ((list!.getUint32(at + 12) >>> part) & 1) === 0) return undefined;
    return numberOf(place, position, "a cluster") + inCluster;
  }
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
