import { type ByteCursor, badStream, unsupportedStream } from "./byte-cursor.ts";
import { skipHashTablePart, skipHashTableStart } from "./hash-table.ts";
import { type RamBlock, RamReader } from "./ram.ts";
import type { RamIndex } from "./ram-index.ts";
import { requireVersion, type SectionHead } from "./section.ts";

/**
 * The live sections of a stream, which come in parts: guest RAM (`ram`) and
 * the hash table of a guest without radix page tables (`spapr/htab`). Their
 * data tells where it ends.
 */
export class LiveSections {
  /** Names by section id. */
  readonly #names = new Map<number, string>();
  readonly #index: RamIndex | null;
  /** Does each block of RAM carry its guest address? */
  readonly #withAddresses: boolean;
  #ram: RamReader | null = null;

  /** @param index takes in where each page of guest RAM lies; null if nobody asks */
  constructor(index: RamIndex | null, withAddresses: boolean) {
    this.#index = index;
    this.#withAddresses = withAddresses;
  }

  get ramBlocks(): readonly RamBlock[] {
    return this.#ram?.blocks ?? [];
  }

  /** Where the pages of guest RAM lie; null without section `ram`, and if nobody asked. */
  get ramIndex(): RamIndex | null {
    return this.#ram === null ? null : this.#index;
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
      this.#ram = new RamReader(this.#index, this.#withAddresses);
      await this.#ram.read(cursor);
    } else if (name === "spapr/htab") {
      requireVersion(head, 1);
      await skipHashTableStart(cursor);
    } else {
      throw unsupportedStream(offset, `live section ${JSON.stringify(name)}: its format is not known`);
    }
  }

  /** @param offset of the part, for the error if its section never began */
  async readPart(cursor: ByteCursor, id: number, offset: number): Promise<void> {
    const name = this.#names.get(id);
    if (name === undefined) throw badStream(offset, `a part of section ${id}, which never began`);
    if (name === "ram") await this.#ram!.read(cursor);
    else await skipHashTablePart(cursor);
  }
}
