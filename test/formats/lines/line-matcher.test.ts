import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  DECIMAL,
  HEAD,
  HEX,
  LineMatcher,
  MAX_VALUES,
  NANOSECONDS,
  NEXT,
  NEXT_RECORD,
  NOTHING,
  REST,
  SECONDS,
  TIME,
  VALUES,
  WORD,
} from "../../../src/formats/lines/line-matcher.ts";
import { MATCHER_SOURCE } from "../../../src/formats/lines/line-matcher-code.ts";
import type { DmaLogReader } from "../../../src/formats/trace/linux-dma-log.ts";
import { MatchedText } from "../../../src/formats/trace/matched-text.ts";
import { AheadFeeder } from "../../helpers/ahead-feeder.ts";
import { readCorpusHead } from "../../helpers/corpus.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { digest, whole } from "../trace/readers.ts";
import { directly, type MakeFeeder, openDmaLog } from "../trace/side-by-side.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");

/** A rest as it is written: texts, and between them values with the way to read each. */
interface Rest {
  readonly texts: readonly string[];
  readonly ways: readonly number[];
}

/** A line that a matcher looks at, with what is to be kept of it. */
class Line {
  readonly text: string;
  readonly timeAt: number;
  readonly timeEnd: number;
  readonly places: number[] = [];

  constructor(head: string, time: string, { texts, ways }: Rest, values: readonly string[]) {
    this.timeAt = head.length;
    this.timeEnd = head.length + time.length;
    let text = head + time + texts[0]!;
    for (const [i, value] of values.entries()) {
      this.places.push(text.length, text.length + value.length, ways[i]!);
      text += value + texts[i + 1]!;
    }
    this.text = text;
  }
}

const put = (matcher: LineMatcher, { text }: Line): void => {
  matcher.text.set(new TextEncoder().encode(`${text}\n`));
};

/** Keeps a line as one does that came before. */
function keep(matcher: LineMatcher, line: Line): { readonly head: number; readonly rest: number } {
  put(matcher, line);
  for (let time = 0; ; time++) {
    const head = matcher.keepHead(0, line.timeAt);
    const rest = matcher.keepRest(line.timeEnd, line.places, line.text.length);
    if (time > 0) return { head, rest };
  }
}

/** Finds a line with a head; returns where the next one begins, or 0. */
function find(matcher: LineMatcher): number {
  const isFound = matcher.findLines(0, 1, true) > 0;
  return isFound ? matcher.records[NEXT]! : 0;
}

function valuesOf(matcher: LineMatcher, ways: readonly number[], record = 0): (bigint | string)[] {
  return ways.map((way, i) => {
    const [hi, lo] = matcher.records.subarray(record + VALUES + i * 2);
    if (way !== WORD) return (BigInt(hi!) << 32n) | BigInt(lo!);
    return new TextDecoder().decode(matcher.text.subarray(hi, lo));
  });
}

/** What a rest is, as a regular expression. */
const patternOf = ({ texts, ways }: Rest): RegExp =>
  new RegExp(
    texts.reduce((all, text, i) => {
      const way = ways[i - 1];
      const value = way === WORD ? "(\\S*)" : way === HEX ? "([0-9a-f]{1,16})" : "([0-9]{1,16})";
      return all + (i > 0 ? value : "") + text.replace(/[{}()]/g, "\\$&");
    }, "^"),
  );

const LOG: Rest = {
  texts: [": put liobn=0x8 ioba=0x", " size=", " list=", " ret=0\n"],
  ways: [HEX, DECIMAL, WORD],
};
const TASK = "          <idle>-0     [000] d.h1.    ";

describe("lines that are found again", () => {
  it("are looked for by what is compiled from the source (npm run matcher)", () => {
    const source = readFileSync(path.join(ROOT, "tools/matcher/line-matcher.ts"));
    expect(createHash("sha256").update(source).digest("hex")).toBe(MATCHER_SOURCE);
  });

  it("are kept when they come for the second time, and found with their numbers", () => {
    const matcher = new LineMatcher();
    const line = new Line(TASK, "7.449442", LOG, ["20000", "4096", "{0x1,0x2}"]);
    put(matcher, line);
    for (const number of [-1, 0]) {
      expect(find(matcher)).toBe(0);
      expect(matcher.keepHead(0, line.timeAt)).toBe(number);
      expect(matcher.keepRest(line.timeEnd, line.places, line.text.length)).toBe(number);
    }
    const other = new Line(TASK, "123456789.5", LOG, ["f".repeat(16), "18", "(nil)"]);
    put(matcher, other);
    expect(find(matcher)).toBe(other.text.length);
    expect([matcher.records[SECONDS], matcher.records[NANOSECONDS]]).toEqual([123_456_789, 500_000_000]);
    expect(valuesOf(matcher, LOG.ways)).toEqual([2n ** 64n - 1n, 18n, "(nil)"]);
  });

  it.each([
    ["hexadecimal", 0, "0".repeat(17), "0123456789abcdef"],
    ["hexadecimal in capitals", 0, "A", "a"],
    ["none", 0, "", "0"],
    ["decimal", 1, "1".repeat(17), "9".repeat(16)],
    ["no decimal", 1, "", "0"],
  ])("are not found with numbers that are too long or none: %s", (_name, at, wrong, right) => {
    const matcher = new LineMatcher();
    keep(matcher, new Line(TASK, "1.5", LOG, ["1", "1", "x"]));
    const values = ["1", "1", "x"];
    put(matcher, new Line(TASK, "1.5", LOG, values.with(at, right)));
    expect(find(matcher)).toBeGreaterThan(0);
    put(matcher, new Line(TASK, "1.5", LOG, values.with(at, wrong)));
    expect(find(matcher)).toBe(0);
    // Its head is found all the same.
    expect(matcher.records[TIME]).toBe(TASK.length + 3);
  });

  it.each(["4294967296.5", "1.", ".5", "1.1234567890", "1,5", "1.5x"])(
    "have a time, which %s is not",
    (time) => {
      const matcher = new LineMatcher();
      keep(matcher, new Line(TASK, "1.5", LOG, ["1", "1", "x"]));
      put(matcher, new Line(TASK, time, LOG, ["1", "1", "x"]));
      expect([find(matcher), matcher.records[TIME]]).toEqual([0, 0]);
    },
  );

  it("are found one after the other, until one is not", () => {
    const matcher = new LineMatcher();
    const lines = [1, 2, 3].map((i) => new Line(TASK, `${i}.5`, LOG, [`${i}`, "18", "(nil)"]));
    keep(matcher, lines[0]!);
    const text = `${lines.map((line) => line.text).join("")}another line\n`;
    matcher.text.set(new TextEncoder().encode(text));
    const { records } = matcher;
    const stop = matcher.findLines(0, text.length, true);
    let record = 0;
    let next = 0;
    for (const [i, line] of lines.entries()) {
      next += line.text.length;
      expect([records[record + NEXT], records[record + SECONDS]]).toEqual([next, i + 1]);
      expect([...records.subarray(record + NOTHING, record + NOTHING + 2)]).toEqual([0, 0]);
      expect(valuesOf(matcher, LOG.ways, record)).toEqual([BigInt(i + 1), 18n, "(nil)"]);
      record = records[record + NEXT_RECORD]!;
    }
    expect([record, records[stop + NEXT]]).toEqual([stop, 0]);
    // None is looked for that begins behind the end.
    expect(matcher.findLines(0, lines[0]!.text.length + 1, true)).toBe(records[NEXT_RECORD]! * 2);
  });

  it.each([0, 1, MAX_VALUES])("are not looked for when there are many before them, of %i values", (count) => {
    const matcher = new LineMatcher();
    const values = Array.from({ length: count }, (_, i) => i.toString(16));
    const rest: Rest = {
      texts: [": event a=1 b", ...values.map(() => ",")].map((one, i) => (i === count ? `${one}\n` : one)),
      ways: values.map(() => HEX),
    };
    const line = new Line(TASK, "1.5", rest, values);
    keep(matcher, line);
    const lines = Math.floor(matcher.text.length / line.text.length);
    matcher.text.set(new TextEncoder().encode(line.text.repeat(lines)));
    const { records } = matcher;
    let found = 0;
    for (let at = 0, end = lines * line.text.length; at < end; ) {
      const stop = matcher.findLines(at, end, true);
      let record = 0;
      for (; record < stop; record = records[record + NEXT_RECORD]!) {
        found++;
        at = records[record + NEXT]!;
        expect(valuesOf(matcher, rest.ways, record)).toEqual(values.map((_, i) => BigInt(i)));
      }
      expect(at === end || records[record + NEXT] !== 0).toBe(true);
    }
    expect(found).toBe(lines);
  });

  it.each([
    ["12@1700000000.000345:", [21, 12, 1_700_000_000, 345_000]],
    ["4294967295@4294967295.999999:", [29, 2 ** 32 - 1, 2 ** 32 - 1, 999_999_000]],
    ["4294967296@1.000000:", undefined],
    ["1@4294967296.000000:", undefined],
    ["1@1.00000:", undefined],
    ["1@1.0000000:", undefined],
    ["1@1.000000 ", undefined],
    ["1.1@000000:", undefined],
  ])("without heads have thread and time as QEMU writes them: %s", (origin, expected) => {
    const matcher = new LineMatcher();
    const line = new Line("", "", LOG, ["1", "2", "3"]);
    keep(matcher, new Line(TASK, "1.5", LOG, ["1", "2", "3"]));
    matcher.text.set(new TextEncoder().encode(origin + line.text));
    const isFound = matcher.findLines(0, 1, false) > 0;
    const { records } = matcher;
    expect(isFound ? [TIME, HEAD, SECONDS, NANOSECONDS].map((word) => records[word]) : undefined).toEqual(
      expected,
    );
    matcher.text.set(new TextEncoder().encode(line.text));
    expect(matcher.findLines(0, 1, false)).toBe(records[NEXT_RECORD]);
    expect(records[TIME]).toBe(0);
  });

  it("are forgotten when there is no room for more", () => {
    const matcher = new LineMatcher();
    const first = new Line(TASK, "1.5", LOG, ["1", "1", "x"]);
    keep(matcher, first);
    let kept = 0;
    for (; matcher.makeRoom(first.text.length); kept++) {
      keep(matcher, new Line(`${TASK}${String(kept).padStart(8)} `, "1.5", LOG, ["1", "1", "x"]));
      if (kept > 100_000) throw new Error("it holds everything");
    }
    expect(kept).toBeGreaterThan(500);
    put(matcher, first);
    expect(find(matcher)).toBe(0);
    expect(keep(matcher, first)).toEqual({ head: 0, rest: 0 });
  });

  it(`are what was kept of them, SEED=${runSeed()}`, () => {
    const random = new Random(runSeed());
    const matcher = new LineMatcher();
    const heads: string[] = [];
    const rests: Rest[] = [];
    const words = ["a=", " b=", "0x", " c d=", ": e=", " ".repeat(9), "f_g", "=", "0123456789abcdef="];
    const pick = (most: number): string =>
      Array.from({ length: 1 + random.below(most) }, () => random.pick(words)).join("");
    let found = 0;
    for (let step = 0; step < 4000; step++) {
      const known = random.pick(rests.length > 0 ? rests : [LOG]);
      const isNew = random.below(20) === 0;
      const ways = isNew ? Array.from({ length: random.below(5) }, () => random.below(3)) : known.ways;
      const rest: Rest = isNew
        ? {
            ways,
            texts: [": event x=1 y", ...ways.map(() => ` ${pick(3)}`)].map((one, i) =>
              i === ways.length ? `${one}\n` : one,
            ),
          }
        : known;
      const head =
        random.below(20) === 0 ? `a head ${pick(8)} ` : random.pick(heads.length > 0 ? heads : [TASK]);
      const values = ways.map((way) => {
        const number = BigInt(random.below(2 ** 32)) << BigInt(random.below(22));
        return way === WORD ? `{${number}}` : number.toString(way === HEX ? 16 : 10).slice(0, 16);
      });
      const time = `${random.below(1e9)}.${random.below(1e9)}`;
      const line = new Line(head, time, rest, values);
      put(matcher, line);
      const next = find(matcher);
      if (next > 0) {
        found++;
        const is = rests[matcher.records[REST]!]!;
        const [all, ...read] = patternOf(is).exec(line.text.slice(line.timeEnd)) ?? [];
        expect([heads[matcher.records[HEAD]!], next]).toEqual([head, line.timeEnd + (all ?? "").length]);
        const numbers = read.map((value, i) =>
          is.ways[i] === WORD ? value : BigInt(is.ways[i] === HEX ? `0x${value}` : value),
        );
        expect(valuesOf(matcher, is.ways)).toEqual(numbers);
        const [seconds, fraction] = time.split(".") as [string, string];
        expect([matcher.records[SECONDS], matcher.records[NANOSECONDS]]).toEqual([
          Number(seconds),
          Number(fraction.padEnd(9, "0")),
        ]);
        continue;
      }
      // Now and then there is no room.
      if (!matcher.makeRoom(random.below(300) === 0 ? 2 ** 20 : line.text.length)) {
        heads.length = 0;
        rests.length = 0;
      }
      const number = {
        head: matcher.keepHead(0, line.timeAt),
        rest: matcher.keepRest(line.timeEnd, line.places, line.text.length),
      };
      if (number.head >= 0) expect(heads.push(head)).toBe(number.head + 1);
      if (number.rest >= 0) expect(rests.push(rest)).toBe(number.rest + 1);
    }
    expect(found).toBeGreaterThan(1000);
  });
});

/** A line of Linux' trace. */
const traced = (task: string, cpu: number, what: string): string =>
  `${task.padStart(16)}-12      [00${cpu}] d.h1.    7.449442: ${what}\n`;

const PAGE = "dma_map_page: 0000:00:03.0 dir=TO_DEVICE dma_addr=20000 size=64 phys_addr=1000 attrs=";
const RANGE = "map: IOMMU: iova=0x0000000000001000 - 0x0000000000002000 paddr=0x0000000000003000 size=4096";

/** Enough lines that those like them are found again. */
const KNOWN = [0, 1]
  .map((cpu) => traced("sh", cpu, PAGE))
  .join("")
  .repeat(100);

const ahead: MakeFeeder = (push) => new AheadFeeder(push, new Random(runSeed()));

/** What is read of a text: all that events say, what the kernel says besides, and whose stacks are whose. */
function readDma(text: string, makeFeeder: MakeFeeder = directly) {
  const told: string[] = [];
  const reader = openDmaLog((line, event) =>
    told.push(`${line}: ${event}, after ${JSON.stringify(reader.counts)}`),
  ) as DmaLogReader;
  const bytes = new TextEncoder().encode(text);
  const feeder = makeFeeder((chunk) => reader.push(chunk));
  for (let at = 0; at < bytes.length; at += 1000) feeder.push(bytes.subarray(at, at + 1000));
  feeder.flush();
  reader.end();
  const { counts, stacks } = reader;
  return { told, counts, stacks: told.map((_, i) => stacks.of(i)) };
}

describe("without WebAssembly", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it.each([
    [".log.gz", "net-load-disable-ddw-e1000-linux61.log"],
    [".txt.gz", "dma-x86-linux612-vtd-iommu-events.txt"],
  ] as const)("a text is read as with it: %s", (kind, name) => {
    const bytes = whole(readCorpusHead("traces", name, 200_000));
    const expected = digest(kind, bytes);
    vi.stubGlobal("WebAssembly", undefined);
    expect(digest(kind, bytes)).toEqual(expected);
  });

  it.each([
    [
      "a line without a name at the start of another buffer's page, and others like it",
      [
        ...["second: CPU:0 [SUBBUFFER START] [1:0x4000]\n", traced("cp", 0, PAGE)],
        ...["second: CPU:0 [SUBBUFFER START] [1:0x5000]\n", traced("cp", 0, PAGE)],
        traced("cp", 0, PAGE).repeat(3),
      ],
    ],
    [
      "what the kernel says besides, first in a buffer with a name",
      [`second: ${traced("sh", 0, RANGE)}`, traced("sh", 0, RANGE)],
    ],
    [
      "what the kernel says besides, first in the buffer without a name",
      [traced("sh", 0, RANGE), `second: ${traced("sh", 0, RANGE)}`],
    ],
    [
      "a stack of another CPU than the event before it",
      [traced("sh", 0, PAGE), traced("sh", 1, "<stack trace>"), " => nvme_remove\n"],
    ],
    [
      "a stack of what the kernel says besides",
      [[PAGE], [PAGE, RANGE]].flatMap((events) => [
        ...events.map((what) => traced("sh", 0, what)),
        ...[traced("sh", 0, "<stack trace>"), " => nvme_remove\n"],
      ]),
    ],
    [
      "heads that say something else where perf wrote them",
      [`dma:${PAGE}`, `dma:${PAGE}`, PAGE, `iommu:${RANGE}`, RANGE, `dma:${PAGE}`].map((what) =>
        traced("sh", 0, what),
      ),
    ],
    [
      "what the kernel says besides, cut anywhere, before an event that may not be its rest",
      Array.from(RANGE, (_, end) => traced("sh", 0, RANGE.slice(0, end)) + traced("sh", 0, PAGE).repeat(3)),
    ],
    ...[PAGE, RANGE].map((what): [string, string[]] => [
      `a line of the kernel's log that is cut, before ${what.slice(0, 12)}`,
      [
        "iommu_alloc failed, tbl\n",
        traced("sh", 0, PAGE),
        "iommu_alloc failed, tbl\n",
        traced("sh", 0, what).repeat(30),
        "another line\n",
        traced("sh", 0, what).repeat(3),
      ],
    ]),
    [
      "an event that is cut anywhere, before another that may not be its rest",
      Array.from(PAGE, (_, end) => traced("sh", 0, PAGE.slice(0, end)) + traced("sh", 0, PAGE).repeat(3)),
    ],
  ])("events are read as with it, and as with lines that are found before: %s", (_name, lines) => {
    const text = KNOWN + lines.join("");
    const found = readDma(text);
    expect(readDma(text, ahead)).toEqual(found);
    vi.stubGlobal("WebAssembly", undefined);
    expect(found).toEqual(readDma(text));
  });
});

describe("what keeps lines", () => {
  it("stops where none comes again, and goes on where some do", () => {
    const text = new MatchedText();
    for (let line = 0; line < 64; line++) expect(text.keeper()).toBeUndefined();
    text.begin(text.blockFor(1)!);
    let kept = 0;
    while (text.keeper() !== undefined) if (++kept > 10_000) throw new Error("it keeps all");
    expect(kept).toBe(2048);
    text.found(10);
    expect(text.keeper()).toBe(text.matcher);
    expect(text.keeper()).toBeUndefined();
  });
});
