import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import type { SavedTable } from "../../spapr/saved-table.ts";
import { ByteCursor, badStream, bytesText, unsupportedStream } from "./byte-cursor.ts";
import {
  IGNORE_SHARED,
  MAPPED_RAM,
  otherMachine,
  type ReadConfiguration,
  readConfiguration,
  readHeader,
  type StreamPlace,
} from "./configuration.ts";
import {
  type DescribedSection,
  findDescription,
  MAX_DESCRIPTION,
  noDescription,
  readDescription,
  SHOWN,
  type StreamDescription,
} from "./description.ts";
import { LiveSections } from "./live-sections.ts";
import { RamIndex } from "./ram-index.ts";
import { checkLength, checkName, checkSections, type SectionHead, type SectionInfo } from "./section.ts";
import {
  beginsRecord,
  endsHere,
  FOOTER_BYTES,
  RECORD_COMMAND,
  RECORD_END,
  RECORD_FOOTER,
  RECORD_FULL,
  RECORD_PART,
  RECORD_PART_END,
  RECORD_START,
  type SectionEnd,
  skipToEnd,
} from "./section-scan.ts";
import {
  type ByteFile,
  type ByteStreamFactory,
  isFile,
  isOnce,
  type MigrationSource,
  readTail,
} from "./source.ts";
import type { MigrationStream, PartialStream, ReadOptions, SavedWindow, StreamRemark } from "./stream.ts";
import { TableBudget } from "./table-budget.ts";
import { readTceSection, TCE_HEAD_BYTES, TCE_SECTION } from "./tce-section.ts";

/** A command that goes into the return path, pings, and the like is passed over; these are not. */
const COMMAND_RUN = 5;
/** The machine may go on in postcopy, which must be allowed where it is loaded, whether it comes to that or not. */
const COMMAND_ADVISE = 3;
/** The command after which sections come in a package, so that all of it can be received before any is read. */
const COMMAND_PACKAGED = 7;

/** Bytes at the end of a file that mostly have the description in them: that of a machine with some devices is 40 KB. */
const MOSTLY_ENOUGH = 2 ** 18;

/** Sections of one stream; a machine of 2048 CPUs has some 10,000. */
const MAX_SECTIONS = 65_536;
/** TCE tables of one stream: a machine has at most 256 bridges with two of them, and VIO devices. */
const MAX_TABLES = 4096;
/** Commands of one stream for postcopy that are remembered; one tells of up to 12 ranges of memory. */
const MAX_COMMANDS = 2 ** 20;

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
  const cursor = new ByteCursor(source);
  const reader = new StreamReader(cursor, options);
  try {
    if (!isOnce(source)) await reader.lookAtEnd(source);
    await reader.read();
    return reader.result(undefined);
  } catch (error) {
    if (!isDamage(error)) throw error;
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
  /** The description, if it is known before the sections are read and no section contradicts it. */
  #known: StreamDescription | undefined;
  readonly #budget: TableBudget;
  readonly #ram: RamIndex | null;
  readonly #sections: SectionInfo[] = [];
  readonly #windows: SavedWindow[] = [];
  readonly #remarks: StreamRemark[] = [];
  #configuration: ReadConfiguration = { machine: null, capabilities: [] };
  #description: StreamDescription | null = null;
  /** The description contradicts what was read. */
  #isDoubted = false;
  #live = new LiveSections(null, { withAddresses: false, isMapped: false, origin: 0 });
  #fullSections = 0;
  /** Do footers end the sections? Machine types up to pseries-2.3 have none; the first section shows it. */
  #hasFooters: boolean | undefined;
  /** Where the stream ends, if it was found out otherwise than by reading up to there. */
  #end: number | undefined;
  /** Why what the stream is packed in ends early. */
  #early: IommuError | undefined;
  readonly #commands: StreamPlace[] = [];
  /** Where the package ends that was opened last. */
  #packageEnd = 0;
  #isInPackage = false;
  #isAdvised = false;
  /** Where the state of the devices ended in a stream for postcopy. */
  #devicesEnd: number | undefined;

  constructor(cursor: ByteCursor, options: ReadOptions) {
    this.#cursor = cursor;
    this.#options = options;
    this.#budget = new TableBudget(options.tableByteLimit);
    this.#ram = options.indexRam === true ? new RamIndex(options.ramPageLimit) : null;
  }

  /** Looks for the description in the end of the stream, so that the length of every section is known. */
  async lookAtEnd(source: ByteFile | ByteStreamFactory): Promise<void> {
    try {
      // Mostly it is short: of a file no more is read than that takes.
      if (isFile(source) && source.size > MOSTLY_ENOUGH)
        this.#known = findDescription(await readTail(source, MOSTLY_ENOUGH));
      if (this.#known !== undefined) return;
      // 6 more: the byte before the record, its own, and its length.
      const tail = await readTail(source, MAX_DESCRIPTION + 6);
      this.#known = findDescription(tail);
      this.#early = tail.early;
    } catch (error) {
      // Damage at the end is reported when reading gets there.
      if (!isDamage(error)) throw error;
    }
  }

  async read(): Promise<void> {
    const cursor = this.#cursor;
    await readHeader(cursor);
    this.#configuration = await readConfiguration(cursor);
    const { capabilities } = this.#configuration;
    this.#live = new LiveSections(this.#ram ?? this.#options.ramSink ?? null, {
      withAddresses: capabilities.includes(IGNORE_SHARED),
      isMapped: capabilities.includes(MAPPED_RAM),
      origin: this.#options.origin ?? 0,
    });
    try {
      while (await this.#readRecord());
    } catch (error) {
      // All devices are there, and memory follows them. Without a destination QEMU never comes to its end: the file ends
      // where somebody stopped it.
      if (this.#devicesEnd === undefined || !isDamage(error)) throw error;
      this.#end = cursor.offset;
      return;
    }
    if (this.#configuration.machine === null && !this.#sections.some(({ name }) => name.startsWith("spapr")))
      throw otherMachine(0, "that does not say its type, without any section of spapr");
    await this.#readDescription();
    if (this.#early !== undefined)
      this.#remark(this.#early, "what it is packed in has more, behind the stream");
  }

  /** What was read until now. */
  result(damage: IommuError | undefined): PartialStream {
    return {
      machine: this.#configuration.machine,
      capabilities: this.#configuration.capabilities,
      sections: this.#sections,
      windows: this.#windows,
      ramBlocks: this.#live.ramBlocks,
      ram: this.#ram,
      description: this.#description,
      length: this.#end ?? this.#cursor.offset,
      remarks: this.#remarks,
      capabilityPlace: this.#configuration.capabilityPlace,
      postcopy: this.#isAdvised ? { commands: this.#commands, end: this.#devicesEnd } : undefined,
      damage,
    };
  }

  /** Reads one record; false after the one that ends the sections. */
  async #readRecord(): Promise<boolean> {
    const cursor = this.#cursor;
    const offset = cursor.offset;
    if (this.#isInPackage && offset > this.#packageEnd)
      throw badStream(this.#packageEnd, "a package ends within a record");
    this.#isInPackage = offset < this.#packageEnd;
    const type = await cursor.u8("the next record");
    switch (type) {
      case RECORD_END:
        if (this.#isInPackage) throw badStream(offset, "the sections end within a package");
        return false;
      case RECORD_START:
        await this.#readStart(offset);
        return true;
      case RECORD_PART:
      case RECORD_PART_END:
        await this.#readPart(offset);
        return true;
      case RECORD_FULL:
        return await this.#readFull(offset);
      case RECORD_COMMAND:
        await this.#readCommand(offset);
        return true;
      default: {
        const shown = bytesText(await cursor.peek(SHOWN - 1));
        throw badStream(
          offset,
          `a record of type ${hex(type)} where a section should begin (behind it: ${shown})`,
        );
      }
    }
  }

  async #readCommand(offset: number): Promise<void> {
    const cursor = this.#cursor;
    const command = await cursor.u16("a command");
    const length = await cursor.u16("the length of a command");
    if (command === COMMAND_PACKAGED) {
      if (length !== 4) throw badStream(offset, `a package whose length has ${length} bytes, not 4`);
      const size = await cursor.u32("the length of a package");
      this.#packageEnd = cursor.offset + size;
    } else {
      await cursor.skip(length, "a command");
    }
    if (this.#commands.length === MAX_COMMANDS) throw badStream(offset, `more than ${MAX_COMMANDS} commands`);
    this.#commands.push({ offset, length: cursor.offset - offset });
    if (command === COMMAND_ADVISE || command === COMMAND_PACKAGED) this.#isAdvised = true;
    if (command === COMMAND_RUN) this.#devicesEnd = cursor.offset;
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
    this.#hasFooters ??= !beginsRecord(await cursor.peek(1));
    if (!this.#hasFooters) return;
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

  /** Reads the section of a device; false if it is the last one, and the stream was read to its end to know that. */
  async #readFull(offset: number): Promise<boolean> {
    const cursor = this.#cursor;
    const head = await this.#readHead(offset);
    const described = this.#describedAs(head);
    const state = head.name === TCE_SECTION ? await this.#readTceTable(head) : null;
    const { end, rest } = state === null ? await this.#skipData(head, described) : { end: cursor.offset };

    const section: SectionInfo = { kind: "full", ...head, dataLength: end - head.dataOffset };
    this.#sections.push(section);
    if (state !== null) {
      const tableOffset = head.dataOffset + TCE_HEAD_BYTES;
      this.#windows.push({ ...state, section, entries: state.table?.length ?? 0, tableOffset });
    }
    this.#fullSections++;
    if (rest !== undefined) {
      this.#end = end + FOOTER_BYTES + 1;
      this.#lookAtRest(rest);
      return false;
    }
    await this.#readFooter(head.id);
    if (described !== undefined) this.#compare(() => checkLength(section, described.length));
    return true;
  }

  /** What the description has for a section. */
  #describedAs(head: SectionHead): DescribedSection | undefined {
    const described = this.#known?.sections[this.#fullSections];
    if (this.#known !== undefined) this.#compare(() => checkName(head, described));
    return this.#known === undefined ? undefined : described;
  }

  /** Does without the description if it contradicts what was read. */
  #compare(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#doubt(error);
    }
  }

  #doubt(error: IommuError): void {
    this.#known = undefined;
    this.#description = null;
    if (this.#isDoubted) return;
    this.#isDoubted = true;
    this.#remark(error, "the description at its end is damaged, which QEMU does not read");
  }

  #remark(error: IommuError, message: string): void {
    this.#remarks.push({ offset: Number(error.details.offset), message: `${message}: ${error.message}` });
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

  /** Passes over the data of a section. */
  async #skipData(head: SectionHead, described: DescribedSection | undefined): Promise<SectionEnd> {
    const cursor = this.#cursor;
    if (described === undefined) return await this.#searchEnd(head);
    try {
      await cursor.skip(described.length, `section ${JSON.stringify(head.name)}`);
      if (await this.#endsHere(head)) return { end: cursor.offset };
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    const wrong = cursor.offset;
    await cursor.goTo(head.dataOffset);
    try {
      const found = await this.#searchEnd(head);
      const length = found.end - head.dataOffset;
      const message = `section ${JSON.stringify(head.name)} has ${length} bytes of data, described are ${described.length}`;
      this.#doubt(badStream(head.dataOffset, message));
      return found;
    } catch (error) {
      // It is not the description that is wrong.
      if (!isDamage(error)) throw error;
      await cursor.goTo(wrong);
      return { end: wrong };
    }
  }

  /** A stream that begins with the section of a device is none of an old machine, unless it is described so. */
  async #searchEnd({ id }: SectionHead): Promise<SectionEnd> {
    const cursor = this.#cursor;
    const found = await skipToEnd(cursor, this.#hasFooters === false ? null : id);
    return found.rest !== undefined && (await cursor.goTo(found.end)) ? { end: found.end } : found;
  }

  async #endsHere({ id }: SectionHead): Promise<boolean> {
    if (this.#hasFooters !== undefined) return await endsHere(this.#cursor, this.#hasFooters ? id : null);
    if (await endsHere(this.#cursor, id)) return true;
    const isOld = await endsHere(this.#cursor, null);
    if (isOld) this.#hasFooters = false;
    return isOld;
  }

  /** @param rest what follows the end of the sections, and is no description */
  #lookAtRest(rest: Uint8Array): void {
    if (rest.some((byte) => byte !== 0)) this.#doubt(noDescription(this.#end!, rest));
  }

  /** Reads what follows the sections. QEMU does not: nothing of it is damage, except where the sections depend on it. */
  async #readDescription(): Promise<void> {
    const cursor = this.#cursor;
    this.#end ??= cursor.offset;
    if (this.#isDoubted || (await cursor.peek(SHOWN)).every((byte) => byte === 0)) return;
    let description: StreamDescription;
    try {
      description = await readDescription(cursor, this.#known);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#doubt(error);
      return;
    }
    const full = this.#sections.filter((section) => section.kind === "full");
    if (this.#known === undefined) {
      // The ends of sections were searched for, and nothing else tells whether they were found.
      checkSections(full, description, "; its end was searched for, in a file it would be known");
      const rest = await cursor.peek(SHOWN);
      const what =
        "the ends of sections were searched for, and this may not be that of all: from a file they are known";
      if (rest.some((byte) => byte !== 0))
        this.#remark(badStream(cursor.offset, `bytes after the description: ${bytesText(rest)}`), what);
    }
    this.#description = description;
    const end = cursor.offset;
    this.#compare(() => checkSections(full, description, ""));
    if (this.#description !== null) this.#end = end;
  }
}
