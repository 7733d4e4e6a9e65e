import { expect, it } from "vitest";
import { IommuError } from "../../../src/base/errors.ts";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { formatQemuTraceEvent } from "../../../src/formats/trace/trace-text.ts";
import { corpusNames, readCorpus, readCorpusHead } from "../../helpers/corpus.ts";
import { Random } from "../../helpers/random.ts";
import { type Digest, digest, inPieces, type ReaderKind, whole } from "./readers.ts";
import { SimpleFile } from "./simple-file.ts";

/** Text that breaks numbers, words, lists and lines. */
const SPLINTERS = [
  "\n",
  "\r\n",
  "\0",
  " ",
  "=",
  "0x",
  "ffffffffffffffff",
  "18446744073709551616",
  "-",
  "{",
  "}",
  "[",
  "(nil)",
  ":",
  ": ",
  "@",
  "9".repeat(40),
  "f".repeat(40),
  "spapr_iommu_put ",
  "dma_map_sg: ",
  "ARRAY[",
  "attrs=",
  "us#: ",
].map((text) => new TextEncoder().encode(text));

function mutate(input: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let bytes = Array.from(input);
  for (let edits = 1 + random.below(4); edits > 0; edits--) {
    const at = random.below(bytes.length + 1);
    const length = random.below(1 + random.below(60));
    const from = random.below(other.length);
    const edit = random.below(7);
    if (edit === 0) bytes[at] = random.below(256);
    else if (edit === 1 && bytes.length > 0) bytes[at % bytes.length]! ^= 1 << random.below(8);
    else if (edit === 2) bytes.splice(at, length);
    else if (edit === 3) bytes.splice(at, 0, ...random.pick(SPLINTERS));
    else if (edit === 4) bytes.splice(at, random.below(2) * length, ...other.subarray(from, from + length));
    else if (edit === 5) bytes.splice(at, 0, ...bytes.slice(at, at + length));
    else bytes = bytes.slice(0, at);
  }
  return Uint8Array.from(bytes);
}

/** Stretches of some lines out of the recordings, so that every form occurs. */
function textSamples(kind: ReaderKind, random: Random): Uint8Array[] {
  return corpusNames("traces", kind).flatMap((name) => {
    const bytes = readCorpusHead("traces", name + kind.replace(".gz", ""), 500_000);
    return Array.from({ length: 20 }, () => {
      const start = bytes.indexOf(0x0a, random.below(bytes.length)) + 1;
      return bytes.slice(start, start + 200 + random.below(600));
    });
  });
}

/** Files of a few records, of both byte orders. */
function simpleSamples(): Uint8Array[] {
  return [true, false].map((little) => {
    const file = new SimpleFile(4, little);
    const log = new QemuLogReader((event) => {
      if (event.number % 40 === 0) file.event(event, BigInt(event.number));
      if (event.number % 200 === 0) file.other(3, BigInt(event.number), "text").dropped(7n, 9n);
    });
    log.push(readCorpus("traces", "reboot-twice-nvme-e1000-linux61.log").subarray(0, 50_000));
    return Uint8Array.from(file.bytes);
  });
}

function outcome(kind: ReaderKind, feed: Parameters<typeof digest>[1]): Digest | string {
  try {
    return digest(kind, feed);
  } catch (error) {
    // Only a simple trace can be refused, for its header.
    if (kind === ".simple.gz" && error instanceof IommuError) return error.message;
    throw error;
  }
}

/** Lines that one event may be broken into. */
const MOST_LINES = 16;

/** What a terminal obeys: a sequence of ESC and `[`, or ESC and one character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is about them
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]?|.?)/g;

/** A line as a terminal shows it, without its end: blanks, tabs and returns there are no part of it. */
const shownOf = (line: string): string => line.replace(ESCAPES, "").replace(/[ \t\r]+$/, "");

/** Zeros in front of numbers are read, and 0x0 for a pointer; QEMU writes neither. */
const plainOf = (text: string): string =>
  text.replace(/((?:^|[=@ ]-?)(?:0x)?|=> 0x)0+(?=[0-9a-f])/g, "$1").replace("table=0x0 ", "table=(nil) ");

/**
 * Texts that may be the event of a line: what stands before it in its line is no part of it, nor is a thread or a time
 * of too many digits.
 */
function eventTexts(line: string): string[] {
  const origins = line.matchAll(/(?<![0-9])[0-9]{1,15}@[0-9]{1,15}\.[0-9]{6}:(?=spapr_iommu_)/g);
  const names = line.matchAll(/spapr_iommu_/g);
  return [line, ...[...origins, ...names].map(({ index }) => line.slice(index))];
}

/** Is an event what its line says, or that and the lines in which it goes on, after what stands before each? */
function isOfLines(event: string, lines: readonly string[], position: number): boolean {
  const parts = lines.slice(position - 1, position - 1 + MOST_LINES).map(shownOf);
  return eventTexts(parts[0]!).some((text) => {
    if ([text, plainOf(text)].includes(event)) return true;
    const begun = plainOf(text).trimEnd();
    let mailed = text;
    let wrapped = text;
    for (const part of parts.slice(1)) {
      mailed = `${mailed.trimEnd()} ${part}`;
      wrapped += part;
      if ([plainOf(mailed), plainOf(wrapped)].includes(event)) return true;
      const rest = event.slice(begun.length).trimStart();
      if (event.startsWith(begun) && rest !== "" && plainOf(part).endsWith(rest)) return true;
    }
    return false;
  });
}

/** Mutated traces: no crash, no hang, bounded lists, the same events however they are fed. */
export function fuzzReaders(seed: number, inputs: Readonly<Record<ReaderKind, number>>): void {
  it.each([".log.gz", ".simple.gz", ".txt.gz"] as const)(
    `%s: no crash, no hang, bounded lists, the same events however they are fed, SEED=${seed}`,
    (kind) => {
      const random = new Random(seed);
      const samples = kind === ".simple.gz" ? simpleSamples() : textSamples(kind, random);
      const wrong: string[] = [];
      let events = 0;
      for (let n = 0; n < inputs[kind]; n++) {
        const bytes = mutate(random.pick(samples), random.pick(samples), random);
        const found = outcome(kind, whole(bytes));
        const again = outcome(kind, inPieces(bytes, 40, random));
        if (JSON.stringify(found) !== JSON.stringify(again))
          wrong.push(`input ${n}: ${JSON.stringify(found)}, in pieces ${JSON.stringify(again)}`);
        if (typeof found !== "string") {
          events += found.events;
          if (found.rest.length > bytes.length * 3 + 2000) wrong.push(`input ${n}: ${found.rest}`);
        }
      }
      expect(wrong).toEqual([]);
      expect(events).toBeGreaterThan(inputs[kind]);
    },
  );

  it(`an event of a mutated log is what its line says, SEED=${seed}`, () => {
    const random = new Random(seed);
    const samples = textSamples(".log.gz", random);
    const wrong: string[] = [];
    for (let n = 0; n < inputs[".log.gz"] / 8; n++) {
      const bytes = mutate(random.pick(samples), random.pick(samples), random);
      const lines = new TextDecoder("latin1").decode(bytes).split("\n");
      const reader = new QemuLogReader((event) => {
        const text = formatQemuTraceEvent(event);
        if (text === lines[event.position - 1] || isOfLines(text, lines, event.position)) return;
        wrong.push(`input ${n}: ${text} of ${lines[event.position - 1]}`);
      });
      reader.push(bytes);
      reader.end();
      const { events, otherEvents, text, damaged, torn } = reader.counts;
      const sum = events + otherEvents + text + damaged + torn;
      const all = lines.length - (lines.at(-1) === "" ? 1 : 0);
      if (sum !== all) wrong.push(`input ${n}: ${sum} of ${all} lines counted`);
    }
    expect(wrong).toEqual([]);
  });
}
