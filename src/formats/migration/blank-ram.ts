import { streamLimit } from "./byte-cursor.ts";
import { type Patch, patched } from "./patch.ts";
import { RAM_PAGE, type RamSink } from "./ram.ts";
import { DEFAULT_INDEXED_PAGES } from "./ram-index.ts";
import { readMigration } from "./reader.ts";
import { type ByteFile, type ByteStream, type ByteStreamFactory, openSource } from "./source.ts";

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
 * what its guest was doing, and to pack it well. Everything else stays byte for
 * byte, also where it lies. The state of devices stays, too: what is in
 * their buffers and in registers is not memory.
 *
 * @throws IommuError as `readMigration` does; LIMIT_EXCEEDED for more than 16 GiB of memory in use
 * @public
 */
export async function blankRam(source: ByteFile | ByteStreamFactory): Promise<BlankedStream> {
  const pages = new PagePlaces();
  const { length } = await readMigration(source, { ramSink: pages });
  return { pages: pages.count, chunks: patched(openSource(source), pages.patches(), length) };
}

/** Where in a stream the pages of memory lie, in the order of the stream. */
class PagePlaces implements RamSink {
  count = 0;
  /** Offset of a page's data, or -1 - offset of the byte that it is filled with. */
  #places = new Float64Array(4096);

  setData(_block: number, _page: number, offset: number): void {
    this.#add(offset, offset);
  }

  setFill(_block: number, _page: number, byte: number, offset: number): void {
    if (byte !== 0) this.#add(-1 - offset, offset);
  }

  #add(place: number, offset: number): void {
    if (this.count === DEFAULT_INDEXED_PAGES) {
      throw streamLimit(offset, `more than ${DEFAULT_INDEXED_PAGES} pages of guest RAM to take out`);
    }
    if (this.count === this.#places.length) {
      const larger = new Float64Array(2 * this.count);
      larger.set(this.#places);
      this.#places = larger;
    }
    this.#places[this.count++] = place;
  }

  *patches(): Generator<Patch> {
    for (let i = 0; i < this.count; i++) {
      const place = this.#places[i]!;
      const [offset, length] = place < 0 ? [-1 - place, 1] : [place, RAM_PAGE];
      yield { offset, length, bytes: [ZEROS.subarray(0, length)] };
    }
  }
}
