import { ATTRIBUTE_BITS, type LinuxDmaEvent } from "../../../src/formats/trace/dma-event.ts";
import { DmaLogReader } from "../../../src/formats/trace/linux-dma-log.ts";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { NEW_TABLE, QemuTraceEvent } from "../../../src/formats/trace/trace-event.ts";
import { D32, D64, findSchema, SCHEMAS, U32, X32 } from "../../../src/formats/trace/trace-schema.ts";
import { formatQemuTraceEvent } from "../../../src/formats/trace/trace-text.ts";
import { corpusNames, readCorpus } from "../../helpers/corpus.ts";
import type { Random } from "../../helpers/random.ts";

/**
 * A reader of logs remembers: the event of the line before, the texts of
 * lines, the name found last. Here one reader reads many lines, and each of
 * them must say what it says to a new reader, which remembers nothing; or, of
 * a line that was written from an event, that event.
 *
 * @module
 */

interface Reader {
  readonly counts: object;
  /** Why nothing is read any more; empty if that is not so. Only logs of QEMU can hold those of two. */
  readonly mixed?: string;
  push(bytes: Uint8Array): void;
  end(): void;
}

/** Makes a reader that tells what its events say, with their lines. */
export type Open = (tell: (line: number, event: string) => void) => Reader;
/** A line without its end, and the event in it, if that is known. */
interface Line {
  readonly text: string;
  readonly event?: string;
}
export type MakeLine = (random: Random) => Line;

const LINES_OF_BATCH = 50;
/** With an empty line: one that is broken off does not go on after it. */
const LINE_END = "\n\n";
const encoder = new TextEncoder();

/** What stands between whoever has the bytes and a reader. */
interface Feeder {
  push(bytes: Uint8Array): void;
  /** Gives the reader all that it was not given yet. */
  flush(): void;
}

export type MakeFeeder = (push: Feeder["push"]) => Feeder;

export const directly: MakeFeeder = (push) => ({ push, flush: () => {} });

/** Reads so many lines, in pieces of any length; returns where the reader that remembers is wrong. */
export function readSideBySide(
  open: Open,
  makeLine: MakeLine,
  lines: number,
  random: Random,
  makeFeeder: MakeFeeder = directly,
): string[] {
  const wrong: string[] = [];
  const events = new Map<number, string>();
  const begin = (): Reader => open((line, event) => events.set(line, event));
  let old = begin();
  let feeder = makeFeeder((bytes) => old.push(bytes));
  /** Lines before the first one that it has read. */
  let skipped = 0;
  let fresh: Record<string, number> = {};
  for (let first = 1; first <= lines && wrong.length < 10; first += LINES_OF_BATCH) {
    const batch = Array.from({ length: LINES_OF_BATCH }, () => makeLine(random));
    events.clear();
    const before = otherBuffersOf(old);
    const bytes = encoder.encode(batch.map(({ text }) => `${text}${LINE_END}`).join(""));
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + random.below(2000);
      feeder.push(bytes.subarray(at, at + size));
      at += size;
    }
    feeder.flush();
    // Damaged lines may look like those of another QEMU, once in some 10^6: another reader goes on after them.
    if ((old.mixed ?? "") !== "") {
      skipped = first + LINES_OF_BATCH - 1;
      old = begin();
      feeder = makeFeeder((bytes) => old.push(bytes));
      fresh = {};
      continue;
    }
    // A line that names another buffer than the first event's is left out, which no line shows by itself.
    let leftOut = otherBuffersOf(old) - before;
    batch.forEach(({ text, event }, i) => {
      let expected = event;
      if (expected !== undefined) fresh = sum(fresh, { events: 1, text: 1 });
      else {
        const reader = open((_line, event) => {
          expected = event;
        });
        reader.push(encoder.encode(text + LINE_END));
        fresh = sum(fresh, reader.counts);
      }
      const found = events.get(2 * (first - skipped + i) - 1);
      if (found === undefined && expected !== undefined && leftOut > 0) leftOut--;
      else if (found !== expected) wrong.push(`line ${first + i}: ${text}\n${found}\n${expected} by itself`);
    });
    const [counted, expected] = [JSON.stringify(sum({}, old.counts)), JSON.stringify(fresh)];
    if (counted !== expected) wrong.push(`to line ${first + LINES_OF_BATCH}: ${counted}, ${expected} alone`);
  }
  return wrong;
}

const otherBuffersOf = ({ counts }: Reader): number =>
  (counts as { readonly otherBuffers?: number }).otherBuffers ?? 0;

/** Lines of other buffers are events or what the kernel says, which a line shows by itself. */
function sum(before: Readonly<Record<string, number>>, counts: object): Record<string, number> {
  const {
    overwritten: _head,
    otherBuffers = 0,
    events = 0,
    kernel = 0,
    ...all
  } = counts as Record<string, number>;
  const rest: Record<string, number> = { ...all, told: (all.told ?? 0) + events + kernel + otherBuffers };
  const names = new Set([...Object.keys(before), ...Object.keys(rest)]);
  return Object.fromEntries([...names].sort().map((name) => [name, (before[name] ?? 0) + (rest[name] ?? 0)]));
}

function textOf({ kind, pci, thread, seconds, nanoseconds, words }: QemuTraceEvent): string {
  const numbers = findSchema(kind, pci).fields.map(({ word }) => `${words[word]}:${words[word + 1]}`);
  return `${kind} ${pci} ${thread} ${seconds} ${nanoseconds} ${numbers}`;
}

export const openQemuLog: Open = (tell) => new QemuLogReader((event) => tell(event.position, textOf(event)));

export const openDmaLog: Open = (tell) => {
  const lists = ({ ranges, rangeSizes, entries }: LinuxDmaEvent): string =>
    [ranges, rangeSizes, entries].map((list) => list.words.subarray(0, list.length * 2).join()).join(" ");
  const reader: DmaLogReader = new DmaLogReader(
    (event) => {
      const names = [reader.devices.names[event.device], reader.tasks.names[event.task]];
      const {
        number: _number,
        line,
        device: _device,
        task: _task,
        ...rest
      } = event as object as LinuxDmaEvent;
      const numbers = Object.values(rest).filter((value) => typeof value !== "object");
      tell(line, `${names} ${numbers} ${lists(event)}`);
    },
    ({ what, line, seconds, nanoseconds, task, pid }) => {
      const time = `${seconds} ${nanoseconds}`;
      tell(line, `${Object.entries(what)} ${time} ${reader.tasks.names[task]} ${pid}`);
    },
  );
  return reader;
};

/** Few values, so that what stood in the line before often stands there again. */
const HALVES = [0, 0, 0, 1, 0x1000, 0x8000_0000, 0x8000_0001, 0xffff_fffc, 0xffff_ffff];
const EVENT = new QemuTraceEvent();

/** Makes {@link EVENT} any event. */
function fillEvent(random: Random): void {
  const { kind, pci, fields } = random.pick(SCHEMAS.slice(0, 1 + random.below(SCHEMAS.length)));
  EVENT.kind = kind;
  EVENT.pci = pci;
  const hasOrigin = random.below(3) === 0;
  // One QEMU makes its tables in one thread.
  EVENT.thread = hasOrigin ? random.below(EVENT.kind === NEW_TABLE ? 1 : 3) : Number.NaN;
  EVENT.seconds = hasOrigin ? random.below(3) : Number.NaN;
  EVENT.nanoseconds = hasOrigin ? random.below(3) * 1000 : 0;
  for (const { type, word } of fields) {
    const lo = random.pick(HALVES);
    const isSigned = type === D64 || type === D32;
    EVENT.words[word + 1] = lo;
    EVENT.words[word] = type === U32 || type === X32 ? 0 : isSigned ? lo >> 31 : random.pick(HALVES);
  }
}

/** Some lines of all recordings of Linux, as they are. */
function dmaLines(random: Random): string[] {
  return corpusNames("traces", ".txt.gz").flatMap((name) => {
    const text = new TextDecoder("latin1").decode(readCorpus("traces", `${name}.txt`).subarray(0, 400_000));
    const lines = text.split("\n");
    return Array.from({ length: 60 }, () => random.pick(lines)).filter((line) => line.length < 1000);
  });
}

const LETTERS = "0123456789abcdfx= \r-:.|,{}[]()@#_";

/** Changes something of a line, or nothing. */
function damaged(line: string, random: Random): string {
  const at = random.below(line.length + 1);
  const letter = LETTERS[random.below(LETTERS.length)]!;
  switch (random.below(8)) {
    case 0:
      return `${line.slice(0, at)}${letter}${line.slice(at + 1)}`;
    case 1:
      return `${line.slice(0, at)}${letter}${line.slice(at)}`;
    case 2:
      return line.slice(0, at) + line.slice(at + 1 + random.below(4));
    case 3:
      return line.replace(/0x(?=[0-9a-f])/, "0x0");
    case 4:
      return `${line}\r`;
    case 5:
      return line.slice(0, at);
    case 6:
      return line + line;
    default:
      return line;
  }
}

/** Lines of QEMU's log: of all events, some of them damaged. */
export const makeQemuLine: MakeLine = (random) => {
  fillEvent(random);
  const text = formatQemuTraceEvent(EVENT);
  return random.below(8) > 0 ? { text, event: textOf(EVENT) } : { text: damaged(text, random) };
};

/** Lines of Linux' log in all its forms, with other devices, tasks and numbers here and there. */
export function makeDmaLines(random: Random): MakeLine {
  const lines = dmaLines(random);
  const attributes = Object.keys(ATTRIBUTE_BITS);
  const change = (line: string): string =>
    line
      .replace(/0000:00:0(\d)\.0/, () => `0000:00:0${random.below(4)}.0`)
      .replace(/attrs=$/, () => `attrs=${random.pick(attributes)}`)
      .replace(/(dma_addr|phys_addr)=\w+/g, (_all, key) => `${key}=${random.pick(HALVES).toString(16)}`)
      .replace(/size=\d+/, () => `size=${random.pick(HALVES)}`)
      .replace(/iova=0x\w+/, () => `iova=0x${random.pick(HALVES).toString(16)}`)
      .replace(/ \d+\.(\d+): /, (_all, digits) => {
        const fraction = random.below(1_000_000).toString().padStart(digits.length, "0");
        return ` ${random.pick(HALVES)}.${fraction}: `;
      });
  return (other) => {
    const line = change(other.pick(lines));
    return { text: other.below(2) === 0 ? line : damaged(line, other) };
  };
}
