import { hex } from "../../base/u64.ts";
import { type ByteCursor, badStream, u32At, unsupportedStream } from "./byte-cursor.ts";

/** Bytes of a page of guest RAM in a stream, whatever the guest's own page size. */
export const RAM_PAGE = 4096;

/** Most RAM blocks of one machine: main memory, DIMMs, and the ROM of each device. */
export const MAX_RAM_BLOCKS = 4096;

/**
 * A block of guest RAM.
 *
 * @public
 */
export interface RamBlock {
  /** QEMU's name; `ppc_spapr.ram` is main memory, at guest address 0. */
  readonly name: string;
  /** Bytes; a multiple of 4096. */
  readonly size: number;
}

/**
 * Notified of each page of guest RAM, as often as it was sent.
 *
 * @public
 */
export interface RamSink {
  /**
   * @param block number of the block in the list of blocks
   * @param page number of the page in the block
   * @param offset where in the stream the page's bytes are
   */
  setData(block: number, page: number, offset: number): void;
  /** @param offset where in the stream the byte is that the page is filled with */
  setFill(block: number, page: number, byte: number, offset: number): void;
  /**
   * A page that is packed by zlib.
   *
   * @param offset where in the stream the length of the packed bytes is (4 bytes), which they follow
   * @param wordAt where the word with the page's address and flags is
   */
  setPacked(block: number, page: number, offset: number, length: number, wordAt: number): void;
  /** A block of whose entry a plain stream does not have all: pages at places of their own, or an address. */
  setPlace?(place: BlockPlace): void;
}

/**
 * Where a block of RAM lies in a stream with the capability mapped-ram or x-ignore-shared, as offsets in the stream.
 *
 * @public
 */
export interface BlockPlace {
  /** Number of the block in the list of blocks. */
  readonly block: number;
  /** Where what a plain stream does not have begins. */
  readonly head: number;
  /** Where the first page lies; the last one ends at `end`, which is the same place if there are none. */
  readonly pages: number;
  readonly end: number;
}

/** How a stream has the memory of its guest. */
export interface RamForm {
  /** With the capability x-ignore-shared, each block of the list carries its guest address. */
  readonly withAddresses: boolean;
  /** With the capability mapped-ram, each page has a place of its own. */
  readonly isMapped: boolean;
  /** Bytes of the file before the stream: the places of pages count from the beginning of the file. */
  readonly origin: number;
}

// A word of the section is an offset in a block, a multiple of the page size, and below it flags.
const FLAG_FILL = 0x02;
const FLAG_MEM_SIZE = 0x04;
const FLAG_PAGE = 0x08;
const FLAG_EOS = 0x10;
/** Modifier: the page lies in the block that was named last. */
const FLAG_CONTINUE = 0x20;
const FLAG_PACKED = 0x100;
/** Threads that wrote pages have all come to here; with mapped-ram nothing follows. */
const FLAG_FLUSH = 0x200;
const FLAGS_MASK = 0xfff;

/** Flags of a page that is filled with one byte. */
export const PAGE_FLAGS: Readonly<Record<"FILL" | "CONTINUE", number>> = {
  FILL: FLAG_FILL,
  CONTINUE: FLAG_CONTINUE,
};

/** A page that does not get smaller takes 11 bytes more at most. */
const MAX_PACKED = RAM_PAGE + 64;

/** Of mapped-ram: version u32, page size u64, offset of the bitmap u64, offset of the pages u64. */
const MAPPED_VERSION = 1;

const REFUSED: Readonly<Record<number, string>> = {
  64: "pages in XBZRLE (capability xbzrle)",
  128: "pages sent by RDMA",
  512: "pages on several channels (capability multifd)",
};

/**
 * Reads the data of `ram` sections, version 4.
 *
 * What one section says holds in those after it: the list of blocks, and the
 * block that was named last.
 */
export class RamReader {
  readonly blocks: RamBlock[] = [];
  readonly #names = new Map<string, number>();
  readonly #sink: RamSink | null;
  readonly #form: RamForm;
  /** Number of the block named last, -1 before the first. */
  #last = -1;

  constructor(sink: RamSink | null, form: RamForm) {
    this.#sink = sink;
    this.#form = form;
  }

  /** Reads the data of one section up to and including its end mark. */
  async read(cursor: ByteCursor): Promise<void> {
    for (;;) {
      if (cursor.available < 8) await cursor.need(8, "the next word of section ram");
      const hi = u32At(cursor.bytes, cursor.at);
      const lo = u32At(cursor.bytes, cursor.at + 4);
      const wordAt = cursor.offset;
      cursor.at += 8;
      const flags = lo & FLAGS_MASK;
      // Exact below 2^53; above, it stays above every block, whose size is below 2^52.
      const address = hi * 2 ** 32 + (lo - flags);
      switch (flags & ~FLAG_CONTINUE) {
        case FLAG_EOS:
          return;
        case FLAG_MEM_SIZE:
          await this.#readBlocks(cursor, address);
          break;
        case FLAG_FILL:
          if ((flags & FLAG_CONTINUE) === 0) await this.#nameBlock(cursor, wordAt);
          this.#checkAddress(address, wordAt);
          if (cursor.available < 1) await cursor.need(1, "the fill byte of a RAM page");
          this.#sink?.setFill(this.#last, address / RAM_PAGE, cursor.bytes[cursor.at]!, cursor.offset);
          cursor.at++;
          break;
        case FLAG_PAGE:
          if ((flags & FLAG_CONTINUE) === 0) await this.#nameBlock(cursor, wordAt);
          this.#checkAddress(address, wordAt);
          this.#sink?.setData(this.#last, address / RAM_PAGE, cursor.offset);
          if (cursor.available >= RAM_PAGE) cursor.at += RAM_PAGE;
          else await cursor.skip(RAM_PAGE, "a RAM page");
          break;
        case FLAG_PACKED:
          if ((flags & FLAG_CONTINUE) === 0) await this.#nameBlock(cursor, wordAt);
          this.#checkAddress(address, wordAt);
          await this.#readPacked(cursor, address / RAM_PAGE, wordAt);
          break;
        case FLAG_FLUSH:
          if (this.#form.isMapped) break;
          throw refusal(flags, wordAt);
        default:
          throw refusal(flags, wordAt);
      }
    }
  }

  async #readPacked(cursor: ByteCursor, page: number, wordAt: number): Promise<void> {
    const offset = cursor.offset;
    const length = await cursor.u32("the length of a compressed page");
    if (length > MAX_PACKED) throw badStream(offset, `a compressed page of ${length} bytes`);
    this.#sink?.setPacked(this.#last, page, offset, length, wordAt);
    await cursor.skip(length, "a compressed page");
  }

  async #nameBlock(cursor: ByteCursor, wordAt: number): Promise<void> {
    const name = await cursor.name("the name of a RAM block");
    const block = this.#names.get(name);
    if (block === undefined)
      throw badStream(wordAt, `a page of an unknown RAM block ${JSON.stringify(name)}`);
    this.#last = block;
  }

  #checkAddress(address: number, wordAt: number): void {
    const block = this.blocks[this.#last];
    if (block === undefined)
      throw badStream(wordAt, "a RAM page that continues a block before any was named");
    if (address < block.size) return;
    throw badStream(
      wordAt,
      `page ${hex(BigInt(address))} lies outside of RAM block ${JSON.stringify(block.name)} of ${hex(BigInt(block.size))} bytes`,
    );
  }

  /** The list of blocks; it ends when their sizes add up to `total`. */
  async #readBlocks(cursor: ByteCursor, total: number): Promise<void> {
    if (this.blocks.length > 0) throw badStream(cursor.offset, "a second list of RAM blocks");
    let sum = 0;
    while (sum < total) {
      const at = cursor.offset;
      const name = await cursor.name("the name of a RAM block");
      const size = Number(await cursor.u64("the size of a RAM block"));
      const head = cursor.offset;
      if (this.#form.withAddresses) await cursor.u64("the guest address of a RAM block");
      sum += size;
      if (size % RAM_PAGE !== 0 || sum > total) {
        throw badStream(
          at,
          `RAM block ${JSON.stringify(name)} of ${hex(BigInt(size))} bytes: not whole pages, or more than the ${hex(BigInt(total))} bytes of all blocks`,
        );
      }
      if (this.#names.has(name)) throw badStream(at, `a second RAM block ${JSON.stringify(name)}`);
      if (this.blocks.length === MAX_RAM_BLOCKS)
        throw badStream(at, `more than ${MAX_RAM_BLOCKS} RAM blocks`);
      if (sum >= 2 ** 52) throw badStream(at, `RAM of 2^52 bytes and more`);
      this.#names.set(name, this.blocks.length);
      this.blocks.push({ name, size });
      const block = this.blocks.length - 1;
      const pages = this.#form.isMapped ? await this.#readMapped(cursor, block) : cursor.offset;
      const end = cursor.offset;
      if (end > head) this.#sink?.setPlace?.({ block, head, pages, end });
    }
  }

  /** A block whose pages have places of their own; the stream goes on behind them. Returns where they begin. */
  async #readMapped(cursor: ByteCursor, block: number): Promise<number> {
    const { name, size } = this.blocks[block]!;
    const bad = (at: number, what: string): Error =>
      badStream(at, `RAM block ${JSON.stringify(name)}, which is mapped: ${what}`);
    const head = cursor.offset;
    const version = await cursor.u32("the version of a mapped RAM block");
    if (version !== MAPPED_VERSION) throw unsupportedStream(head, `version ${version} of a mapped RAM block`);
    const pageSize = await cursor.u64("the page size of a mapped RAM block");
    if (pageSize !== BigInt(RAM_PAGE)) throw bad(head + 4, `pages of ${hex(pageSize)} bytes`);
    const places = [await cursor.u64("the place of a bitmap"), await cursor.u64("the place of pages")];
    // A shared file that is left out (x-ignore-shared) has neither, and the stream goes on here.
    if (this.#form.withAddresses && places.every((place) => place === 0n)) return cursor.offset;
    const [bitmap, pages] = places.map((place) => Number(place) - this.#form.origin) as [number, number];
    const bitmapBytes = Math.ceil(size / RAM_PAGE / 8);
    if (bitmap < cursor.offset || bitmap + bitmapBytes > pages || pages + size > Number.MAX_SAFE_INTEGER)
      throw bad(
        head + 12,
        `its bitmap is said to be at ${bitmap} and its pages at ${pages} (counted from the beginning of the stream): not one after the other behind this place`,
      );
    if (this.#sink !== null && this.#sink.setPlace === undefined) {
      await cursor.skip(bitmap - cursor.offset, "what is before a bitmap");
      await this.#readBitmap(cursor, block, size / RAM_PAGE, pages);
    }
    await cursor.skip(pages + size - cursor.offset, `RAM block ${JSON.stringify(name)}`);
    return pages;
  }

  /** A bit for each page of a block; pages whose bit is 0 are zero. */
  async #readBitmap(cursor: ByteCursor, block: number, count: number, pages: number): Promise<void> {
    for (let page = 0; page < count; page += 8) {
      if (cursor.available === 0) await cursor.need(1, "the bitmap of a RAM block");
      const bits = cursor.bytes[cursor.at++]!;
      for (let bit = 0; bits >> bit !== 0; bit++) {
        if (((bits >> bit) & 1) === 0) continue;
        const offset = pages + (page + bit) * RAM_PAGE;
        if (page + bit < count) this.#sink!.setData(block, page + bit, offset);
      }
    }
  }
}

function refusal(flags: number, offset: number): Error {
  const kind = REFUSED[flags & ~FLAG_CONTINUE];
  if (kind === undefined) return badStream(offset, `a word of section ram with flags ${hex(flags)}`);
  return unsupportedStream(offset, `${kind} are not read; migrate with that capability off`);
}
