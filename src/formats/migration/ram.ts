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
}

// A word of the section is an offset in a block, a multiple of the page size, and below it flags.
const FLAG_FILL = 0x02;
const FLAG_MEM_SIZE = 0x04;
const FLAG_PAGE = 0x08;
const FLAG_EOS = 0x10;
/** Modifier: the page lies in the block that was named last. */
const FLAG_CONTINUE = 0x20;
const FLAGS_MASK = 0xfff;

const REFUSED: Readonly<Record<number, string>> = {
  64: "pages in XBZRLE (capability xbzrle)",
  128: "pages sent by RDMA",
  256: "compressed pages (capability compress)",
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
  /** With the capability x-ignore-shared, each block of the list carries its guest address. */
  readonly #withAddresses: boolean;
  /** Number of the block named last, -1 before the first. */
  #last = -1;

  constructor(sink: RamSink | null, withAddresses: boolean) {
    this.#sink = sink;
    this.#withAddresses = withAddresses;
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
        default:
          throw refusal(flags, wordAt);
      }
    }
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
      if (this.#withAddresses) await cursor.u64("the guest address of a RAM block");
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
    }
  }
}

function refusal(flags: number, offset: number): Error {
  const kind = REFUSED[flags & ~FLAG_CONTINUE];
  if (kind === undefined) return badStream(offset, `a word of section ram with flags ${hex(flags)}`);
  return unsupportedStream(offset, `${kind} are not read; migrate with that capability off`);
}
