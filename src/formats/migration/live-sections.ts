import { type ByteCursor, badStream, unsupportedStream } from "./byte-cursor.ts";
import { skipDirtyBitmaps } from "./dirty-bitmaps.ts";
import { skipHashTablePart, skipHashTableStart } from "./hash-table.ts";
import { type RamBlock, type RamForm, RamReader, type RamSink } from "./ram.ts";
import { requireVersion, type SectionHead } from "./section.ts";

/**
 * The live sections of a stream, which come in parts: guest RAM (`ram`), the
 * hash table of a guest without radix page tables (`spapr/htab`) and the
 * bitmaps of disks (`dirty-bitmap`). Their data says where it ends.
 */
export class LiveSections {
  /** Names by section id. */
  readonly #names = new Map<number, string>();
  readonly #sink: RamSink | null;
  readonly #form: RamForm;
  #ram: RamReader | null = null;

  /** @param sink notified of each page of guest RAM */
  constructor(sink: RamSink | null, form: RamForm) {
    this.#sink = sink;
    this.#form = form;
  }

  get ramBlocks(): readonly RamBlock[] {
    return this.#ram?.blocks ?? [];
  }

  /** Reads the data of a section that begins. */
  async readStart(cursor: ByteCursor, head: SectionHead): Promise<void> {
    const { id, name, offset } = head;
    const isRam = name === "ram";
    if (this.#names.has(id) || (isRam && this.#ram !== null)) {
      throw badStream(offset, `live section ${JSON.stringify(name)} ${id} begins a second time`);
    }
    this.#names.set(id, name);
    if (isRam) {
      requireVersion(head, 4);
      this.#ram = new RamReader(this.#sink, this.#form);
      await this.#ram.read(cursor);
    } else if (name === "spapr/htab") {
      requireVersion(head, 1);
      await skipHashTableStart(cursor);
    } else if (name === "dirty-bitmap") {
      requireVersion(head, 1);
      await skipDirtyBitmaps(cursor);
    } else {
      throw unsupportedStream(offset, `live section ${JSON.stringify(name)}: its format is not known`);
    }
  }

  /** @param offset of the part, for the error if its section never began */
  async readPart(cursor: ByteCursor, id: number, offset: number): Promise<void> {
    const name = this.#names.get(id);
    if (name === undefined) throw badStream(offset, `a part of section ${id}, which never began`);
    if (name === "ram") await this.#ram!.read(cursor);
    else if (name === "spapr/htab") await skipHashTablePart(cursor);
    else await skipDirtyBitmaps(cursor);
  }
}
