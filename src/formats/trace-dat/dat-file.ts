import { IommuError } from "../../base/errors.ts";
import { ByteReader, badRecording, bytesAt, type RandomBytes } from "../event-format/byte-reader.ts";
import { MAX_TEXT, TracingData } from "../event-format/tracing-data.ts";
import { TRACING_MAGIC } from "../trace/recording.ts";
import {
  BUFFER,
  type CpuData,
  type DatBuffer,
  DatOptions,
  OPTION_END,
  readCpuCount,
  readOption,
} from "./dat-options.ts";
import { type Unpack, unpackerOf } from "./unpack.ts";

/** What messages call the file. */
export const WHAT = "trace.dat";

/** Bytes of the word before a part of version 6. */
const WORD_BYTES = 10;
/** Options sections that are followed; each buffer has one. */
const MAX_SECTIONS = 4096;
/** Pages of the ring buffer: of 4 KiB, of 64 KiB kernels, and those of which a tracer makes larger ones. */
const MAX_PAGE = 2 ** 24;

/** Numbers of sections. */
const HEADERS = 16;
const FTRACE_FORMATS = 17;
const EVENT_FORMATS = 18;
const SYMBOLS = 19;
const TASKS = 21;
const COMPRESSED = 1;

/** What a trace.dat says before its events. */
export interface DatHead {
  readonly littleEndian: boolean;
  readonly tracing: TracingData;
  readonly options: DatOptions;
  readonly buffers: readonly DatBuffer[];
  readonly unpack: Unpack;
  /** Is something missing: where and what. */
  readonly missing: IommuError | undefined;
}

/**
 * Reads what stands before and behind the events of a trace.dat, of version 6 or 7.
 *
 * @throws IommuError BAD_FILE, UNSUPPORTED or LIMIT_EXCEEDED with the offset
 */
export async function readDatHead(file: RandomBytes): Promise<DatHead> {
  const reader = new ByteReader(file, TRACING_MAGIC.length, WHAT);
  const at = reader.offset;
  const version = await reader.name();
  if (version !== "6" && version !== "7")
    throw badRecording(
      WHAT,
      at,
      `version ${JSON.stringify(version.slice(0, 10))}: 6 and 7 are read here`,
      "UNSUPPORTED",
    );
  reader.littleEndian = (await reader.u8()) === 0;
  await reader.u8(); // bytes of a long in user space
  const pageSize = pageSizeOf(reader, await reader.u32());
  return version === "6" ? await readVersion6(reader, pageSize) : await readVersion7(file, reader);
}

function pageSizeOf(reader: ByteReader, size: number): number {
  if (size < 512 || size > MAX_PAGE) {
    reader.seek(reader.offset - 4);
    throw reader.bad(`pages of ${size} bytes`);
  }
  return size;
}

async function readVersion6(reader: ByteReader, pageSize: number): Promise<DatHead> {
  const tracing = new TracingData();
  const options = new DatOptions();
  await tracing.readHeaders(reader);
  await tracing.readFtraceFormats(reader);
  await tracing.readEventFormats(reader);
  await tracing.readSymbols(reader);
  await tracing.skipPrintk(reader);
  await tracing.readTasks(reader);
  const cpus = await readCpuCount(reader);
  const instances: { readonly offset: number; readonly name: string }[] = [];
  let word = await readWord(reader);
  if (word === "options") {
    await readOptions6(reader, options, instances);
    word = await readWord(reader);
  }
  const table = (name: string, data: readonly CpuData[]): DatBuffer => ({
    name,
    clock: options.clock,
    pageSize,
    cpus: data,
    isCompressed: false,
  });
  const buffers = [table("", await readTable6(reader, word, cpus))];
  for (const { offset, name } of instances) {
    reader.seek(offset);
    buffers.push(table(name, await readTable6(reader, await readWord(reader), cpus)));
  }
  const { littleEndian } = reader;
  const unpack = await unpackerOf(WHAT, "none", 0);
  return { littleEndian, tracing, options, buffers, unpack, missing: undefined };
}

/** The word before a part, without the blanks and the NUL that fill it up. */
async function readWord(reader: ByteReader): Promise<string> {
  const bytes = await reader.bytes(WORD_BYTES);
  return String.fromCharCode(...bytes).replace(/[ \0]*$/, "");
}

async function readOptions6(
  reader: ByteReader,
  options: DatOptions,
  instances: { readonly offset: number; readonly name: string }[],
): Promise<void> {
  for (;;) {
    const start = reader.offset;
    // No size stands behind the last one.
    if ((await reader.u16()) === OPTION_END) return;
    reader.seek(start);
    const { id, data } = await readOption(reader);
    if (id !== BUFFER) options.take(id, reader, data);
    else {
      const inside = new ByteReader(bytesAt(data, start), start, WHAT, reader.littleEndian);
      instances.push({ offset: await inside.u64(), name: await inside.name() });
      if (instances.length > MAX_SECTIONS) throw reader.bad("too many buffers");
    }
  }
}

async function readTable6(reader: ByteReader, word: string, cpus: number): Promise<CpuData[]> {
  if (word === "latency")
    throw badRecording(
      WHAT,
      reader.offset - WORD_BYTES,
      "a latency tracer's text: `trace-cmd report` prints it, and that is read",
      "UNSUPPORTED",
    );
  if (word !== "flyrecord") {
    reader.seek(reader.offset - WORD_BYTES);
    throw reader.bad(`the table of CPUs should stand here, not ${JSON.stringify(word)}`);
  }
  const data: CpuData[] = [];
  for (let cpu = 0; cpu < cpus; cpu++) {
    data.push({ cpu, offset: await reader.u64(), size: await reader.u64() });
  }
  return data;
}

async function readVersion7(file: RandomBytes, reader: ByteReader): Promise<DatHead> {
  const at = reader.offset;
  const compression = await reader.name();
  await reader.name(); // version of the library
  const unpack = await unpackerOf(WHAT, compression, at);
  const sections = new Sections(file, reader.littleEndian, unpack);
  const missing = await sections.follow(await reader.u64());
  const tracing = new TracingData();
  await sections.read(HEADERS, (section) => tracing.readHeaders(section));
  await sections.read(FTRACE_FORMATS, (section) => tracing.readFtraceFormats(section));
  await sections.read(EVENT_FORMATS, (section) => tracing.readEventFormats(section));
  await sections.read(SYMBOLS, (section) => tracing.readSymbols(section));
  await sections.read(TASKS, (section) => tracing.readTasks(section));
  const { littleEndian } = reader;
  const { options, buffers } = sections;
  if (buffers.length === 0 && missing !== undefined) {
    const reason = "the list of buffers cannot be read: the file was cut, or its recording did not end";
    throw new IommuError(missing.code, `${missing.message}; ${reason}`, missing.details);
  }
  return { littleEndian, tracing, options, buffers, unpack, missing };
}

/** The sections of version 7, which options point to. */
class Sections {
  readonly options = new DatOptions();
  readonly buffers: DatBuffer[] = [];
  readonly #file: RandomBytes;
  readonly #littleEndian: boolean;
  readonly #unpack: Unpack;
  readonly #places = new Map<number, number>();

  constructor(file: RandomBytes, littleEndian: boolean, unpack: Unpack) {
    this.#file = file;
    this.#littleEndian = littleEndian;
    this.#unpack = unpack;
  }

  /**
   * Reads the options sections, each of which says where the next one is.
   *
   * @returns what keeps from reading one of them
   */
  async follow(first: number): Promise<IommuError | undefined> {
    const seen = new Set<number>();
    for (let offset = first; offset !== 0; ) {
      if (seen.has(offset) || seen.size === MAX_SECTIONS)
        throw badRecording(WHAT, offset, "sections of options that lead in a circle, or too many of them");
      seen.add(offset);
      const next = await this.#readOptions(offset).catch((error: IommuError) => {
        if (error.code !== "BAD_FILE") throw error;
        return error;
      });
      if (typeof next !== "number") return next;
      offset = next;
    }
    return undefined;
  }

  /** @returns where the next section is, 0 after the last one */
  async #readOptions(offset: number): Promise<number> {
    const reader = await this.#open(offset, OPTION_END);
    for (;;) {
      const { id, data } = await readOption(reader);
      const inside = (): ByteReader => new ByteReader(bytesAt(data, 0), 0, WHAT, this.#littleEndian);
      if (id === OPTION_END) return data.length >= 8 ? await inside().u64() : 0;
      if (id === BUFFER) this.buffers.push(await this.#readBuffer(inside()));
      else if (id >= HEADERS && id <= TASKS && data.length >= 8) this.#places.set(id, await inside().u64());
      else this.options.take(id, reader, data);
    }
  }

  async #readBuffer(option: ByteReader): Promise<DatBuffer> {
    const offset = await option.u64();
    const name = await option.name();
    const clock = await option.name();
    const pageSize = pageSizeOf(option, await option.u32());
    const count = await readCpuCount(option);
    const cpus: CpuData[] = [];
    for (let i = 0; i < count; i++) {
      cpus.push({ cpu: await option.u32(), offset: await option.u64(), size: await option.u64() });
    }
    const { flags } = await this.#readSectionHead(offset, BUFFER);
    return { name, clock, pageSize, cpus, isCompressed: (flags & COMPRESSED) !== 0 };
  }

  /** Reads the section of a number, if there is one. */
  async read(id: number, use: (reader: ByteReader) => Promise<void>): Promise<void> {
    const offset = this.#places.get(id);
    if (offset !== undefined) await use(await this.#open(offset, id));
  }

  async #readSectionHead(
    offset: number,
    id: number,
  ): Promise<{ readonly reader: ByteReader; readonly flags: number }> {
    const reader = new ByteReader(this.#file, offset, WHAT, this.#littleEndian);
    const found = await reader.u16();
    if (found !== id) {
      reader.seek(offset);
      throw reader.bad(`section ${id} should begin here, not ${found}`);
    }
    const flags = await reader.u16();
    reader.skip(4); // description
    return { reader, flags };
  }

  /** A reader of a section's content. */
  async #open(offset: number, id: number): Promise<ByteReader> {
    const { reader, flags } = await this.#readSectionHead(offset, id);
    const size = await reader.u64();
    const base = reader.offset;
    if ((flags & COMPRESSED) === 0)
      return new ByteReader(cutAt(this.#file, base + size), base, WHAT, this.#littleEndian);
    const packed = reader.limited(await reader.u32(), MAX_TEXT, "a section");
    const unpacked = reader.limited(await reader.u32(), MAX_TEXT, "a section");
    const at = reader.offset;
    const bytes = (await this.#unpack(await reader.bytes(packed), unpacked, at)).slice();
    return new ByteReader(bytesAt(bytes, base), base, WHAT, this.#littleEndian);
  }
}

/** A file that ends early. */
const cutAt = (file: RandomBytes, end: number): RandomBytes => ({
  read: (offset, length) => file.read(offset, Math.max(0, Math.min(length, end - offset))),
});
