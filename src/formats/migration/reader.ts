import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import type { SavedTable } from "../../spapr/saved-table.ts";
import { ByteCursor, badStream, unsupportedStream } from "./byte-cursor.ts";
import { type Configuration, readConfiguration, readHeader } from "./configuration.ts";
import {
  type DescribedSection,
  findDescription,
  MAX_DESCRIPTION,
  readDescription,
  type StreamDescription,
} from "./description.ts";
import { LiveSections } from "./live-sections.ts";
import { RamIndex } from "./ram-index.ts";
import { checkLength, checkName, checkSections, type SectionHead, type SectionInfo } from "./section.ts";
import { FOOTER_BYTES, RECORD_FOOTER, skipToFooter } from "./section-scan.ts";
import {
  type ByteFile,
  type ByteStreamFactory,
  isOnce,
  type MigrationSource,
  openSource,
  readTail,
} from "./source.ts";
import type { MigrationStream, PartialStream, ReadOptions, SavedWindow } from "./stream.ts";
import { TableBudget } from "./table-budget.ts";
import { readTceSection, TCE_HEAD_BYTES, TCE_SECTION } from "./tce-section.ts";

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
/** TCE tables of one stream: a machine has at most 31 bridges with two of them, and VIO devices. */
const MAX_TABLES = 4096;

/**
 * Reads a migration stream of a pseries machine.
 *
 * @throws IommuError BAD_FILE with the offset if the stream is cut or damaged;
 * UNSUPPORTED if it uses a feature that is not read; LIMIT_EXCEEDED if it
 * would take more memory than the options allow
 * @public
 */
export async function readMigration(
  source: MigrationSource,
  options: ReadOptions = {},
): Promise<MigrationStream> {
  const { damage, ...stream } = await readMigrationAsFar(source, options);
  if (damage !== undefined) throw damage;
  return stream;
}

/**
 * Reads a migration stream as far as it goes: a damaged one up to its damage.
 *
 * @throws IommuError as {@link readMigration} does, but BAD_FILE only if the source itself throws that
 * @public
 */
export async function readMigrationAsFar(
  source: MigrationSource,
  options: ReadOptions = {},
): Promise<PartialStream> {
  const cursor = new ByteCursor(openSource(source));
  const reader = new StreamReader(cursor, options);
  try {
    if (!isOnce(source)) await reader.lookAtEnd(source);
    await reader.read();
    return reader.result(undefined);
  } catch (error) {
    if (!(error instanceof IommuError) || error.code !== "BAD_FILE" || !("offset" in error.details))
      throw error;
    return reader.result(error);
  } finally {
    await cursor.close();
  }
}

/** Does an error say where a stream is damaged? (A file that is not there has no such place.) */
const isDamage = (error: unknown): error is IommuError =>
  error instanceof IommuError && error.code === "BAD_FILE" && "offset" in error.details;

class StreamReader {
  readonly #cursor: ByteCursor;
  readonly #options: ReadOptions;
  /** The description, if it is known before the sections are read. */
  #known: StreamDescription | undefined;
  readonly #budget: TableBudget;
  readonly #ram: RamIndex | null;
  readonly #sections: SectionInfo[] = [];
  readonly #windows: SavedWindow[] = [];
  #configuration: Configuration = { machine: null, capabilities: [] };
  #description: StreamDescription | null = null;
  #live = new LiveSections(null, false);
  #fullSections = 0;

  constructor(cursor: ByteCursor, options: ReadOptions) {
    this.#cursor = cursor;
    this.#options = options;
    this.#budget = new TableBudget(options.tableByteLimit);
    this.#ram = options.indexRam === true ? new RamIndex(options.ramPageLimit) : null;
  }

  /** Looks for the description in the end of the stream, so that the length of every section is known. */
  async lookAtEnd(source: ByteFile | ByteStreamFactory): Promise<void> {
    try {
      // 6 more: the byte before the record, its own, and its length.
      this.#known = findDescription(await readTail(source, MAX_DESCRIPTION + 6));
    } catch (error) {
      // Damage at the end is reported when reading gets there.
      if (!isDamage(error)) throw error;
    }
  }

  async read(): Promise<void> {
    const cursor = this.#cursor;
    await readHeader(cursor);
    this.#configuration = await readConfiguration(cursor);
    const sharedRam = this.#configuration.capabilities.includes("x-ignore-shared");
    this.#live = new LiveSections(this.#ram ?? this.#options.ramSink ?? null, sharedRam);
    while (await this.#readRecord());
    this.#description = await this.#readDescription();
    if (await cursor.fill(1)) throw badStream(cursor.offset, "bytes after the end of the stream");
  }

  /** What was read until now. */
  result(damage: IommuError | undefined): PartialStream {
    return {
      ...this.#configuration,
      sections: this.#sections,
      windows: this.#windows,
      ramBlocks: this.#live.ramBlocks,
      ram: this.#ram,
      description: this.#description,
      length: this.#cursor.offset,
      damage,
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
    await this.#live.readStart(this.#cursor, head);
    this.#sections.push({ kind: "live", ...head, dataLength: this.#cursor.offset - head.dataOffset });
    await this.#readFooter(head.id);
  }

  async #readPart(offset: number): Promise<void> {
    const id = await this.#cursor.u32("the id of a section");
    await this.#live.readPart(this.#cursor, id, offset);
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

  async #readTceTable(head: SectionHead): Promise<SavedTable> {
    const { version } = head;
    if (this.#windows.length === MAX_TABLES)
      throw badStream(head.offset, `more than ${MAX_TABLES} TCE tables`);
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
    if (!(await this.#cursor.fill(1))) return null;
    const description = await readDescription(this.#cursor, this.#known);
    const full = this.#sections.filter((section) => section.kind === "full");
    const note = this.#known === undefined ? "; its end was searched for, in a file it would be known" : "";
    checkSections(full, description, note);
    return description;
  }
}
