import { IommuError } from "../../base/errors.ts";
import { badStream, streamLimit, u32At } from "./byte-cursor.ts";
import { RAM_PAGE, type RamBlock, type RamSink } from "./ram.ts";
import type { ByteFile } from "./source.ts";

/** Pages of an index that are kept together. */
const GROUP = 512;

/** What stands for a packed page at offset 0; above are the bytes that pages are filled with. */
const PACKED = -257;

/** Pages that an index takes in by default: 16 GiB of RAM, 32 MiB of index. */
export const DEFAULT_INDEXED_PAGES: number = 2 ** 22;

/**
 * Where each page of guest RAM lies in a stream, so that it can be read later.
 *
 * A page sent several times counts as it was sent last. Groups of 512 pages
 * are allocated when the first of them is seen; their number is limited.
 *
 * @public
 */
export class RamIndex implements RamSink {
  readonly #groupLimit: number;
  #groups = 0;
  /** By block, then by group. A page is 0 (never sent), offset + 1 (data), -1 - byte (filled with that byte) or -257 - offset (packed). */
  readonly #blocks: Map<number, Float64Array>[] = [];

  constructor(pageLimit: number = DEFAULT_INDEXED_PAGES) {
    this.#groupLimit = Math.ceil(pageLimit / GROUP);
  }

  setData(block: number, page: number, offset: number): void {
    this.#set(block, page, offset + 1, offset);
  }

  setFill(block: number, page: number, byte: number, offset: number): void {
    this.#set(block, page, -1 - byte, offset);
  }

  setPacked(block: number, page: number, offset: number): void {
    this.#set(block, page, PACKED - offset, offset);
  }

  #set(block: number, page: number, value: number, offset: number): void {
    while (this.#blocks.length <= block) this.#blocks.push(new Map());
    const groups = this.#blocks[block]!;
    const number = Math.floor(page / GROUP);
    let group = groups.get(number);
    if (group === undefined) {
      if (this.#groups === this.#groupLimit) {
        throw streamLimit(offset, `more than ${this.#groupLimit * GROUP} pages of guest RAM to index`);
      }
      this.#groups++;
      group = new Float64Array(GROUP);
      groups.set(number, group);
    }
    group[page % GROUP] = value;
  }

  /** What the stream has for a page: its offset, the byte it is filled with, the offset of its packed form, or nothing. */
  find(block: number, page: number): { offset: number } | { fill: number } | { packed: number } | undefined {
    const value = this.#blocks[block]?.get(Math.floor(page / GROUP))?.[page % GROUP] ?? 0;
    if (value === 0) return undefined;
    if (value > 0) return { offset: value - 1 };
    return value > PACKED ? { fill: -1 - value } : { packed: PACKED - value };
  }
}

/**
 * Reads guest RAM out of the file that a {@link RamIndex} was made from.
 *
 * @public
 */
export class SavedRam {
  readonly blocks: readonly RamBlock[];
  readonly #index: RamIndex;
  readonly #file: ByteFile;

  constructor(blocks: readonly RamBlock[], index: RamIndex, file: ByteFile) {
    this.blocks = blocks;
    this.#index = index;
    this.#file = file;
  }

  /**
   * Bytes of a block. Pages that the stream does not have read as zero, as in
   * a machine that was never written to.
   *
   * @throws IommuError OUT_OF_RANGE if the block is unknown or shorter
   */
  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    const block = this.blocks.findIndex((candidate) => candidate.name === name);
    if (block < 0 || offset < 0 || length < 0 || offset + length > this.blocks[block]!.size) {
      throw new IommuError(
        "OUT_OF_RANGE",
        `no ${length} bytes at ${offset} in a RAM block ${JSON.stringify(name)}`,
        { offset, length },
      );
    }
    const out = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const page = Math.floor((offset + at) / RAM_PAGE);
      const inPage = (offset + at) % RAM_PAGE;
      const part = out.subarray(at, at + RAM_PAGE - inPage);
      const found = this.#index.find(block, page);
      if (found === undefined) part.fill(0);
      else if ("fill" in found) part.fill(found.fill);
      else if ("offset" in found) await this.#readInto(part, found.offset + inPage);
      else part.set((await this.#unpack(found.packed)).subarray(inPage, inPage + part.length));
      at += part.length;
    }
    return out;
  }

  /** A page that zlib packed: its length, and so many bytes. */
  async #unpack(offset: number): Promise<Uint8Array> {
    const head = new Uint8Array(4);
    await this.#readInto(head, offset);
    const packed = new Uint8Array(u32At(head, 0));
    await this.#readInto(packed, offset + 4);
    try {
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
      const page = new Uint8Array(await new Response(stream).arrayBuffer());
      if (page.length === RAM_PAGE) return page;
      throw badStream(offset, `a compressed page unpacks to ${page.length} bytes`);
    } catch (cause) {
      if (cause instanceof IommuError) throw cause;
      throw badStream(offset, `a compressed page cannot be unpacked (${(cause as Error).message})`);
    }
  }

  async #readInto(part: Uint8Array, offset: number): Promise<void> {
    const bytes = await this.#file.read(offset, part.length);
    if (bytes.length < part.length) throw badStream(offset + bytes.length, "the file ends within a RAM page");
    part.set(bytes);
  }
}
