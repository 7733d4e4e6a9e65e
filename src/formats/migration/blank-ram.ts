import { streamLimit } from "./byte-cursor.ts";
import { inOrder, type Patch, patched } from "./patch.ts";
import { memoryAfter, plainPatches } from "./plain-stream.ts";
import { type BlockPlace, PAGE_FLAGS, RAM_PAGE, type RamSink } from "./ram.ts";
import { DEFAULT_INDEXED_PAGES } from "./ram-index.ts";
import { readMigration } from "./reader.ts";
import type { ByteFile, ByteStream, ByteStreamFactory } from "./source.ts";
import type { ReadOptions } from "./stream.ts";

const ZEROS = new Uint8Array(RAM_PAGE);

/**
 * A stream without the guest's memory, and how much of that was taken out.
 *
 * @public
 */
export interface BlankedStream {
  /** Pages that the stream had as data or as a byte other than zero, as often as it had them. */
  readonly pages: number;
  readonly chunks: ByteStream;
}

/**
 * Makes the guest's memory in a stream zero: to pass on a saved machine without
 * what its guest was doing, and to pack it well. Of a plain stream everything
 * else stays byte for byte, also where it lies; one with mapped or compressed
 * pages, or for postcopy, becomes a plain one. The state of devices stays, too:
 * what is in their buffers and in registers is not memory.
 *
 * @throws IommuError as `readMigration` does; LIMIT_EXCEEDED for more than 16 GiB of memory in use
 * @public
 */
export async function blankRam(
  source: ByteFile | ByteStreamFactory,
  options: Pick<ReadOptions, "origin"> = {},
): Promise<BlankedStream> {
  const pages = new PagePlaces();
  const stream = await readMigration(source, { ...options, ramSink: pages });
  const patches = inOrder(pages.patches(memoryAfter(stream)), plainPatches(stream, pages.mapped));
  return { pages: pages.count, chunks: patched(source, patches, stream.length) };
}

/** What stands at a place. */
const DATA = 0;
const FILL = 1;
const PACKED = 2;

/** Where in a stream the pages of memory lie, in the order of the stream. */
class PagePlaces implements RamSink {
  count = 0;
  readonly mapped: BlockPlace[] = [];
  #places = new Float64Array(4096);
  /** What stands there; of a packed page also the lowest four bits of its number, what is between its word and its length, and that. */
  #details = new Uint32Array(4096);

  setData(_block: number, _page: number, offset: number): void {
    this.#add(offset, DATA);
  }

  setFill(_block: number, _page: number, byte: number, offset: number): void {
    if (byte !== 0) this.#add(offset, FILL);
  }

  setPacked(_block: number, page: number, offset: number, length: number, wordAt: number): void {
    const name = offset - wordAt - 8;
    this.#add(offset, PACKED + 4 * ((page & 15) + 16 * (name + 512 * length)));
  }

  setPlace(place: BlockPlace): void {
    this.mapped.push(place);
  }

  #add(place: number, detail: number): void {
    if (this.count === DEFAULT_INDEXED_PAGES) {
      throw streamLimit(place, `more than ${DEFAULT_INDEXED_PAGES} pages of guest RAM to take out`);
    }
    if (this.count === this.#places.length) {
      const places = new Float64Array(2 * this.count);
      const details = new Uint32Array(2 * this.count);
      places.set(this.#places);
      details.set(this.#details);
      this.#places = places;
      this.#details = details;
    }
    this.#details[this.count] = detail;
    this.#places[this.count++] = place;
  }

  *patches(end: number): Generator<Patch> {
    for (let i = 0; i < this.count && this.#places[i]! < end; i++) {
      const offset = this.#places[i]!;
      const detail = this.#details[i]!;
      if ((detail & 3) === PACKED) yield* unpackedPage(offset, detail >>> 2);
      else {
        const length = detail === FILL ? 1 : RAM_PAGE;
        yield { offset, length, bytes: [ZEROS.subarray(0, length)] };
      }
    }
  }
}

/** A packed page becomes one that is filled with 00: other flags in its word, and a byte instead of length and data. */
function* unpackedPage(offset: number, detail: number): Generator<Patch> {
  const name = (detail >>> 4) & 511;
  const flags = PAGE_FLAGS.FILL | (name === 0 ? PAGE_FLAGS.CONTINUE : 0);
  // The word's last 16 bits: four of the page's number, and the flags.
  yield { offset: offset - name - 2, length: 2, bytes: [Uint8Array.of((detail & 15) << 4, flags)] };
  yield { offset, length: 4 + (detail >>> 13), bytes: [Uint8Array.of(0)] };
}
