import { hex } from "../../base/u64.ts";
import { ByteCursor, badStream, unsupportedStream } from "./byte-cursor.ts";
import { type Configuration, readConfiguration, readHeader } from "./configuration.ts";
import {
  type DescribedSection,
  findDescription,
  MAX_DESCRIPTION,
  parseDescription,
  RECORD_DESCRIPTION,
  type StreamDescription,
} from "./description.ts";
import { skipHashTablePart, skipHashTableStart } from "./hash-table.ts";
import { type RamBlock, RamReader } from "./ram.ts";
import { DEFAULT_INDEXED_PAGES, RamIndex } from "./ram-index.ts";
import { checkLength, checkName, requireVersion, type SectionHead, type SectionInfo } from "./section.ts";
import { FOOTER_BYTES, RECORD_FOOTER, skipToFooter } from "./section-scan.ts";
import { isOnce, type MigrationSource, openSource, readTail } from "./source.ts";
import { DEFAULT_RUN_LIMIT, RunBudget } from "./table-reader.ts";
import { readTceSection, TCE_HEAD_BYTES, TCE_SECTION, type TceSection } from "./tce-section.ts";

const RECORD_END = 0x00;
const RECORD_START = 0x01;
const RECORD_PART = 0x02;
const RECORD_PART_END = 0x03;
const RECORD_FULL = 0x04;
const RECORD_COMMAND = 0x08;

/** The command after which sections come in a package of their own (postcopy). */
const COMMAND_PACKAGED = 7;

/** Sections of one stream; a machine of 2048 CPUs has some 10,000. */
const MAX_SECTIONS = 65_536;

/** What is read of a stream, and how much it may cost. */
export interface ReadOptions {
  /** Remember where each page of guest RAM lies, so that it can be read later. Default: no. */
  readonly indexRam?: boolean;
  /** Most pages of guest RAM to remember. Default: {@link DEFAULT_INDEXED_PAGES}. */
  readonly ramPageLimit?: number;
  /** Most runs of all TCE tables together. Default: {@link DEFAULT_RUN_LIMIT}. */
  readonly runLimit?: number;
}

/** A TCE table of a stream, with the section that it came in. */
export interface SavedWindow extends TceSection {
  readonly section: SectionInfo;
  /** Number of entries; the field mig_nb_table. */
  readonly entries: number;
  /** Offset in the stream of the first entry. */
  readonly tableOffset: number;
}

/** What a migration stream says about a machine and its DMA windows. */
export interface MigrationStream extends Configuration {
  /** START and FULL sections, in the order of the stream. */
  readonly sections: readonly SectionInfo[];
  /** The TCE tables, in the order of the stream. */
  readonly windows: readonly SavedWindow[];
  readonly ramBlocks: readonly RamBlock[];
  /** Where the pages of guest RAM lie, if that was asked for. */
  readonly ram: RamIndex | null;
  /**
   * The description of the sections that ends the stream. All sections agree
   * with it. Null if the stream was sent without: sections of devices were then
   * told apart by their footers only.
   */
  readonly description: StreamDescription | null;
  /** Number of bytes. */
  readonly length: number;
}

/**
 * Reads a migration stream of a pseries machine.
 *
 * @throws IommuError BAD_FILE with the offset if the stream is cut or damaged;
 * UNSUPPORTED if it uses a feature that is not read; LIMIT_EXCEEDED if it
 * would take more memory than the options allow
 */
export async function readMigration(
  source: MigrationSource,
  options: ReadOptions = {},
): Promise<MigrationStream> {
  // 6 more: the byte before the record, its own, and its length.
  const known = isOnce(source) ? undefined : findDescription(await readTail(source, MAX_DESCRIPTION + 6));
  const cursor = new ByteCursor(openSource(source));
  try {
    return await new StreamReader(cursor, options, known).read();
  } finally {
    await cursor.close();
  }
}

class StreamReader {
  readonly #cursor: ByteCursor;
  readonly #options: ReadOptions;
  /** The description, if it is known before the sections are read. */
  readonly #known: StreamDescription | undefined;
  readonly #budget: RunBudget;
  readonly #sections: SectionInfo[] = [];
  readonly #windows: SavedWindow[] = [];
  /** Names of the live sections, by section id. */
  readonly #live = new Map<number, string>();
  /** Does each block of RAM carry its guest address? */
  #sharedRam = false;
  #fullSections = 0;
  #ramIndex: RamIndex | null = null;
  #ram: RamReader | null = null;

  constructor(cursor: ByteCursor, options: ReadOptions, known: StreamDescription | undefined) {
    this.#cursor = cursor;
    this.#options = options;
    this.#known = known;
    this.#budget = new RunBudget(options.runLimit ?? DEFAULT_RUN_LIMIT);
  }

  async read(): Promise<MigrationStream> {
    const cursor = this.#cursor;
    await readHeader(cursor);
    const configuration = await readConfiguration(cursor);
    this.#sharedRam = configuration.capabilities.includes("x-ignore-shared");
    while (await this.#readRecord());
    const description = await this.#readDescription();
    if (await cursor.fill(1)) throw badStream(cursor.offset, "bytes after the end of the stream");
    return {
      ...configuration,
      sections: this.#sections,
      windows: this.#windows,
      ramBlocks: this.#ram?.blocks ?? [],
      ram: this.#ramIndex,
      description,
      length: cursor.offset,
    };
  }

  /** Reads one record; false after the one that ends the sections. */
  async #readRecord(): Promise<boolean> {
    const offset = this.#cursor.offset;
    const type = await this.#cursor.u8("the next record");
    switch (type) {
      case RECORD_END:
        return false;
      case RECORD_START:
        await this.#readStart(offset);
        return true;
      case RECORD_PART:
      case RECORD_PART_END:
        await this.#readPart(offset);
        return true;
      case RECORD_FULL:
        await this.#readFull(offset);
        return true;
      case RECORD_COMMAND:
        await this.#readCommand(offset);
        return true;
      default:
        throw badStream(offset, `a record of type ${hex(type)} where a section should begin`);
    }
  }

  async #readCommand(offset: number): Promise<void> {
    const command = await this.#cursor.u16("a command");
    const length = await this.#cursor.u16("the length of a command");
    if (command === COMMAND_PACKAGED) {
      throw unsupportedStream(offset, "a package of sections (capability postcopy-ram) is not read");
    }
    await this.#cursor.skip(length, "a command");
  }

  /** What stands between the type of a section and its data. */
  async #readHead(offset: number): Promise<SectionHead> {
    const cursor = this.#cursor;
    if (this.#sections.length === MAX_SECTIONS) throw badStream(offset, `more than ${MAX_SECTIONS} sections`);
    const id = await cursor.u32("the id of a section");
    const name = await cursor.name("the name of a section");
    const instanceId = await cursor.u32("the instance id of a section");
    const version = await cursor.u32("the version of a section");
    return { id, name, instanceId, version, offset, dataOffset: cursor.offset };
  }

  async #readFooter(id: number): Promise<void> {
    const cursor = this.#cursor;
    await cursor.need(FOOTER_BYTES, "the footer of a section");
    const offset = cursor.offset;
    const type = await cursor.u8("the footer of a section");
    const footerId = await cursor.u32("the footer of a section");
    if (type !== RECORD_FOOTER || footerId !== id) {
      throw badStream(
        offset,
        `the footer of section ${id} should be here (${hex(type)} ${hex(footerId)} is)`,
      );
    }
  }

  async #readStart(offset: number): Promise<void> {
    const head = await this.#readHead(offset);
    if (this.#live.has(head.id) || (head.name === "ram" && this.#ram !== null)) {
      throw badStream(offset, `live section ${JSON.stringify(head.name)} ${head.id} begins a second time`);
    }
    this.#live.set(head.id, head.name);
    if (head.name === "ram") {
      requireVersion(head, 4);
      if (this.#options.indexRam === true) {
        this.#ramIndex = new RamIndex(this.#options.ramPageLimit ?? DEFAULT_INDEXED_PAGES);
      }
      this.#ram = new RamReader(this.#ramIndex, this.#sharedRam);
      await this.#ram.read(this.#cursor);
    } else if (head.name === "spapr/htab") {
      requireVersion(head, 1);
      await skipHashTableStart(this.#cursor);
    } else {
      throw unsupportedStream(offset, `live section ${JSON.stringify(head.name)}: its format is not known`);
    }
    this.#sections.push({ kind: "live", ...head, dataLength: this.#cursor.offset - head.dataOffset });
    await this.#readFooter(head.id);
  }

  async #readPart(offset: number): Promise<void> {
    const id = await this.#cursor.u32("the id of a section");
    const name = this.#live.get(id);
    if (name === undefined) throw badStream(offset, `a part of section ${id}, which never began`);
    if (name === "ram") await this.#ram!.read(this.#cursor);
    else await skipHashTablePart(this.#cursor);
    await this.#readFooter(id);
  }

  async #readFull(offset: number): Promise<void> {
    const cursor = this.#cursor;
    const head = await this.#readHead(offset);
    const described = this.#known?.sections[this.#fullSections];
    if (this.#known !== undefined) checkName(head, described);
    const state = head.name === TCE_SECTION ? await this.#readTceTable(head) : null;
    if (state === null) await this.#skipData(head, described);

    const section: SectionInfo = { kind: "full", ...head, dataLength: cursor.offset - head.dataOffset };
    if (described !== undefined) checkLength(section, described.length);
    this.#sections.push(section);
    if (state !== null) {
      const tableOffset = head.dataOffset + TCE_HEAD_BYTES;
      this.#windows.push({ ...state, section, entries: state.table?.length ?? 0, tableOffset });
    }
    this.#fullSections++;
    await this.#readFooter(head.id);
  }

  async #readTceTable(head: SectionHead): Promise<TceSection> {
    const { version } = head;
    if (version !== 2 && version !== 3) {
      throw unsupportedStream(head.offset, `version ${version} of section ${TCE_SECTION}, not 2 or 3`);
    }
    return await readTceSection(this.#cursor, head.instanceId, version, this.#budget);
  }

  async #skipData(head: SectionHead, described: DescribedSection | undefined): Promise<void> {
    if (described === undefined) await skipToFooter(this.#cursor, head.id);
    else await this.#cursor.skip(described.length, `section ${JSON.stringify(head.name)}`);
  }

  /** Reads what follows the sections; everything that was found must agree with it. */
  async #readDescription(): Promise<StreamDescription | null> {
    const cursor = this.#cursor;
    if (!(await cursor.fill(1))) return null;
    const offset = cursor.offset;
    const type = await cursor.u8("the description of the sections");
    if (type !== RECORD_DESCRIPTION)
      throw badStream(offset, `a byte ${hex(type)} after the end of the sections`);
    const length = await cursor.u32("the length of the description");
    if (length > MAX_DESCRIPTION) {
      throw badStream(offset, `a description of ${length} bytes; at most ${MAX_DESCRIPTION} are read`);
    }
    await cursor.need(length, "the description of the sections");
    const description = parseDescription(offset, cursor.bytes.subarray(cursor.at, cursor.at + length));
    cursor.at += length;
    this.#checkAll(description);
    return description;
  }

  #checkAll(description: StreamDescription): void {
    const full = this.#sections.filter((section) => section.kind === "full");
    const note = this.#known === undefined ? "; its end was searched for, in a file it would be known" : "";
    for (const [index, section] of full.entries()) {
      const described = description.sections[index];
      checkName(section, described);
      checkLength(section, described!.length, note);
    }
    if (full.length === description.sections.length) return;
    throw badStream(
      description.offset,
      `${full.length} sections of devices, ${description.sections.length} are described`,
    );
  }
}
