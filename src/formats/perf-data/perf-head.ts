import { ByteReader, badRecording, type RandomBytes } from "../event-format/byte-reader.ts";
import { TracingData } from "../event-format/tracing-data.ts";
import { isTraceDat, TRACING_MAGIC } from "../trace/recording.ts";
import { type PerfEvent, RECORD_HEAD } from "./sample-layout.ts";

/** What messages call the file. */
export const WHAT = "perf.data";

/** Sizes of the two heads: that of a pipe, and the one with places. */
const PIPE_HEAD = 16;
const FILE_HEAD = 104;
/** Attributes of an event: the part that is always there, and more than any kernel has. */
const MIN_ATTRIBUTE = 64;
const MAX_ATTRIBUTE = 4096;
const MAX_EVENTS = 65_536;
const MAX_TRACING_DATA = 2 ** 28;

/** Features: the formats of events, and how records are packed. */
const TRACING_DATA = 1;
const PACKED = 27;
/** `PERF_TYPE_TRACEPOINT`. */
const TRACEPOINT = 2;
/** A flag of an attribute: all records end as samples begin. It is the 19th of a bit field. */
const SAMPLE_ID_ALL = 18;

/** Records of perf itself that stand before the events in a pipe. */
const HEADER_ATTR = 64;
const HEADER_TRACING_DATA = 66;
const HEADER_FEATURE = 80;

/** What a perf.data says before its records. */
export interface PerfHead {
  readonly littleEndian: boolean;
  readonly tracing: TracingData;
  /** Events of perf, and these by the numbers that samples have. */
  readonly events: readonly PerfEvent[];
  readonly byId: ReadonlyMap<number, PerfEvent>;
  /** Are records packed? */
  readonly isPacked: boolean;
  /** Where records begin and end; a pipe ends where it ends. */
  readonly offset: number;
  readonly end: number;
}

/** Events as they are read. */
interface Events {
  readonly events: PerfEvent[];
  readonly byId: Map<number, PerfEvent>;
}

/**
 * Reads what stands before the records of a perf.data, a file or what `-o -` wrote.
 *
 * @throws IommuError BAD_FILE, UNSUPPORTED or LIMIT_EXCEEDED with the offset
 */
export async function readPerfHead(file: RandomBytes, littleEndian: boolean): Promise<PerfHead> {
  const reader = new ByteReader(file, 8, WHAT, littleEndian);
  const size = await reader.u64();
  if (size === PIPE_HEAD) return await readPipeHead(reader);
  if (size !== FILE_HEAD) {
    reader.seek(8);
    throw reader.bad(`a head of ${size} bytes: 104 and, of a pipe, 16 are read here`);
  }
  return await readFileHead(reader);
}

async function readFileHead(reader: ByteReader): Promise<PerfHead> {
  const attributeSize = await reader.u64();
  const attributes = { offset: await reader.u64(), size: await reader.u64() };
  const data = { offset: await reader.u64(), size: await reader.u64() };
  reader.skip(16); // event types, of old
  const features = await reader.big();
  const found: Events = { events: [], byId: new Map() };
  const tooMany = attributes.size > MAX_EVENTS * MAX_ATTRIBUTE;
  if (attributeSize < MIN_ATTRIBUTE + 16 || attributeSize > MAX_ATTRIBUTE || tooMany)
    throw badRecording(WHAT, 16, `attributes of ${attributeSize} bytes, ${attributes.size} in all`);
  for (let at = 0; at + attributeSize <= attributes.size; at += attributeSize) {
    reader.seek(attributes.offset + at);
    const event = await readAttribute(reader);
    reader.seek(attributes.offset + at + attributeSize - 16);
    const ids = { offset: await reader.u64(), size: await reader.u64() };
    reader.seek(ids.offset);
    found.events.push(event);
    await readIds(reader, ids.size, event, found);
  }
  if ((features & BigInt(1 << TRACING_DATA)) === 0n)
    throw badRecording(
      WHAT,
      72,
      "no formats of events (TRACING_DATA): no tracepoint was recorded",
      "UNSUPPORTED",
    );
  // The table of features stands behind the records; only number 0, which is none, could be before this one.
  reader.seek(data.offset + data.size);
  if (!(await reader.has(16)))
    throw reader.bad("the formats of events should stand here, behind the records: the file was cut");
  const place = { offset: await reader.u64(), size: await reader.u64() };
  reader.seek(place.offset);
  const tracing = await readTracingData(reader);
  return {
    littleEndian: reader.littleEndian,
    tracing,
    ...found,
    isPacked: (features & BigInt(1 << PACKED)) !== 0n,
    offset: data.offset,
    end: data.offset + data.size,
  };
}

/** In a pipe attributes and formats come as records. */
async function readPipeHead(reader: ByteReader): Promise<PerfHead> {
  const found: Events = { events: [], byId: new Map() };
  let isPacked = false;
  for (;;) {
    const start = reader.offset;
    if (!(await reader.has(RECORD_HEAD)))
      throw badRecording(WHAT, start, "the file ends before the formats of events", "UNSUPPORTED");
    const type = await reader.u32();
    await reader.u16(); // flags
    const size = await reader.u16();
    if (size < RECORD_HEAD) throw badRecording(WHAT, start, `a record of ${size} bytes`);
    if (type === HEADER_ATTR) await readAttributeRecord(reader, start + size, found);
    if (type === HEADER_FEATURE && size >= RECORD_HEAD + 8)
      isPacked ||= (await reader.big()) === BigInt(PACKED);
    if (type === HEADER_TRACING_DATA) {
      const bytes = reader.limited(await reader.u32(), MAX_TRACING_DATA, "formats of events");
      reader.seek(start + size);
      const tracing = await readTracingData(reader);
      const offset = start + size + bytes;
      const { littleEndian } = reader;
      return { littleEndian, tracing, ...found, isPacked, offset, end: Number.MAX_SAFE_INTEGER };
    }
    reader.seek(start + size);
  }
}

async function readAttributeRecord(reader: ByteReader, end: number, found: Events): Promise<void> {
  const start = reader.offset;
  await reader.u32();
  const size = await reader.u32();
  reader.seek(start);
  const event = await readAttribute(reader);
  if (found.events.push(event) > MAX_EVENTS) throw reader.bad("too many events");
  reader.seek(start + size);
  if (start + size <= end) await readIds(reader, end - start - size, event, found);
}

/** Reads the part of an attribute that is of use. */
async function readAttribute(reader: ByteReader): Promise<PerfEvent> {
  const type = await reader.u32();
  reader.skip(4 + 8 + 8); // size, config, period
  const sampleType = Number(await reader.big());
  const readFormat = Number(await reader.big());
  const flags = await reader.big();
  return {
    isTracepoint: type === TRACEPOINT,
    sampleType: sampleType % 2 ** 31,
    readFormat: readFormat % 2 ** 31,
    hasTrailer: ((flags >> BigInt(bitOf(SAMPLE_ID_ALL, reader.littleEndian))) & 1n) === 1n,
  };
}

/** The place of a flag in a bit field of 64 bits: big-endian machines fill one from its highest bit on. */
const bitOf = (flag: number, littleEndian: boolean): number => (littleEndian ? flag : 63 - flag);

async function readIds(reader: ByteReader, bytes: number, event: PerfEvent, { byId }: Events): Promise<void> {
  if (bytes / 8 + byId.size > MAX_EVENTS * 16) throw reader.bad(`${bytes} bytes of numbers of events`);
  for (let at = 0; at + 8 <= bytes; at += 8) byId.set(Number(await reader.big()), event);
}

/** The head of a trace.dat of a version of its own. */
async function readTracingData(reader: ByteReader): Promise<TracingData> {
  const at = reader.offset;
  if (!isTraceDat(await reader.bytes(TRACING_MAGIC.length)))
    throw badRecording(WHAT, at, "the formats of events should begin here");
  await reader.name(); // version
  const isLittle = (await reader.u8()) === 0;
  if (isLittle !== reader.littleEndian) throw reader.bad("formats of events in another byte order");
  await reader.u8(); // bytes of a long
  await reader.u32(); // bytes of a page
  const tracing = new TracingData();
  await tracing.readHeaders(reader);
  await tracing.readFtraceFormats(reader);
  await tracing.readEventFormats(reader);
  // What follows are symbols and formats of trace_printk, which perf leaves empty.
  return tracing;
}
