import { describe, expect, it, vi } from "vitest";
import type { FoundWords } from "../../../src/formats/lines/found-lines.ts";
import { LineFinder } from "../../../src/formats/lines/line-finder.ts";
import { LineMatcher } from "../../../src/formats/lines/line-matcher.ts";
import { LinesAhead } from "../../../src/formats/lines/lines-ahead.ts";
import { AheadFeeder } from "../../helpers/ahead-feeder.ts";
import { readCorpusHead } from "../../helpers/corpus.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { some, times } from "../../helpers/some.ts";
import { headOf, RECORDINGS } from "../trace/feeding-campaign.ts";
import { digest, inPieces, type ReaderKind, whole } from "../trace/readers.ts";
import {
  makeDmaLines,
  makeQemuLine,
  openDmaLog,
  openQemuLog,
  readSideBySide,
} from "../trace/side-by-side.ts";

const TEXTS = RECORDINGS.filter(({ kind }) => kind !== ".simple.gz");

/** Reads a text in which lines are found before they are read. */
function digestAhead(kind: ReaderKind, bytes: Uint8Array, longest: number, random: Random) {
  let foundIn = 0;
  const read = digest(kind, (push) => {
    const feeder = new AheadFeeder(push, random);
    inPieces(bytes, longest, random)((chunk) => feeder.push(chunk));
    feeder.flush();
    ({ foundIn } = feeder);
  });
  return { read, foundIn };
}

describe(`lines that are found before they are read, SEED=${runSeed()}`, () => {
  it.each(some(TEXTS, 3))("say what they say without that: $name, $kind", (recording) => {
    const random = new Random(runSeed());
    const { kind } = recording;
    const bytes = headOf(recording, times(60_000, 600_000));
    const expected = digest(kind, whole(bytes));
    for (const longest of [3000, 40_000]) {
      expect(digestAhead(kind, bytes, longest, random).read).toEqual(expected);
    }
  });

  it.each([
    [".log.gz", "nvme-e1000-1g-linux61.log"],
    [".txt.gz", "dma-ppc64le-linux72-nvme-e1000.txt"],
  ] as const)("are most of a long text: %s", (kind, name) => {
    const bytes = readCorpusHead("traces", name, 1_000_000);
    const { foundIn } = digestAhead(kind, bytes, 60_000, new Random(runSeed()));
    expect(foundIn).toBeGreaterThan(0.4 * bytes.length);
  });

  it.each([
    ["QEMU", openQemuLog, () => makeQemuLine],
    ["Linux", openDmaLog, makeDmaLines],
  ] as const)(
    "are no others than those that were read before, with mutated ones between: %s",
    (_name, open, make) => {
      const random = new Random(runSeed());
      const feed = (push: (chunk: Uint8Array) => void) => new AheadFeeder(push, random);
      expect(readSideBySide(open, make(random), times(1500, 40_000), random, feed)).toEqual([]);
    },
  );
});

const put = (window: number, i: number): string =>
  `spapr_iommu_put liobn=0x${(0x8000_0000 + window).toString(16)} ioba=0x${i}000 tce=0x${i}003 ret=0\n`;

/** Lines of the first windows, of which each comes often enough to be kept. */
function windowsOf(count: number): string {
  let text = "";
  for (let i = 0; i < 20; i++) for (let window = 0; window < count; window++) text += put(window, i);
  return text;
}

it("nothing is found where there can be no second matcher", () => {
  const matcher = new LineMatcher();
  const notes = matcher.beginNotes();
  const line = new TextEncoder().encode(put(0, 1));
  matcher.text.set(line);
  for (let time = 0; time < 2; time++) matcher.keepRest(0, [], line.length);
  const text = new TextEncoder().encode(put(0, 1).repeat(20));
  const find = (): FoundWords | undefined => {
    const finder = new LineFinder();
    finder.learn(notes.list);
    finder.learn(notes.list);
    return finder.find(text, () => new ArrayBuffer(2 ** 16));
  };
  expect(find()?.length).toBeGreaterThan(200);
  vi.stubGlobal("WebAssembly", undefined);
  expect(find()).toBeUndefined();
  vi.unstubAllGlobals();
});

it("nothing is noted any more when a stream has ended, and nothing of it counts", () => {
  const [first, second] = [new LinesAhead(), new LinesAhead()];
  const matcher = new LineMatcher();
  const chunk = new Uint8Array(1);
  const found = { buffer: new ArrayBuffer(0), length: 0, generation: 1 };
  first.offer(chunk, found);
  const lines = LinesAhead.foundFor(matcher, chunk)!;
  expect([lines.isCurrent, first.takeNotes()]).toEqual([true, [{ kind: "forget", generation: 1 }]]);
  first.end();
  expect([lines.isCurrent, matcher.notes]).toEqual([false, undefined]);
  second.offer(chunk, found);
  expect(LinesAhead.foundFor(matcher, chunk)!.isCurrent).toBe(true);
  // One that ends late leaves the notes of another alone.
  first.end();
  expect(second.takeNotes()).toHaveLength(1);
});

describe("numbers of lines", () => {
  it("mean nothing any more when all was forgotten, also in the middle of a chunk", () => {
    const encoder = new TextEncoder();
    const known = encoder.encode(windowsOf(20));
    let more = "";
    // More lines than can be kept, and between them enough that were kept before.
    for (let window = 20; window < 3000; window++) {
      for (let i = 0; i < 20; i++) more += put(i, window);
      more += put(window, 1) + put(window, 2) + put(window, 3);
    }
    const chunk = encoder.encode(more);
    const expected = digest(".log.gz", (push) => {
      push(known);
      push(chunk);
    });
    const read = digest(".log.gz", (push) => {
      const ahead = new LinesAhead();
      const finder = new LineFinder();
      const next = (bytes: Uint8Array): FoundWords | undefined => {
        const found = finder.find(bytes, () => new ArrayBuffer(2 * bytes.length));
        ahead.offer(bytes, found);
        push(bytes);
        finder.learn(ahead.takeNotes());
        return found;
      };
      // Its reader has a matcher, and is followed, from the second piece on.
      for (let at = 0; at < known.length; at += 4000) next(known.subarray(at, at + 4000));
      // All lines of the windows that are known.
      expect(next(chunk)?.length).toBeGreaterThan(200_000);
    });
    expect(read).toEqual(expected);
  });

  it("are those of one reader, though two read a stream", () => {
    const random = new Random(runSeed());
    const bytes = headOf({ name: "nvme-e1000-1g-linux61", kind: ".log.gz" }, 200_000);
    // It has kept other lines by then.
    const other = new TextEncoder().encode(windowsOf(100));
    const expected = digest(".log.gz", whole(bytes));
    const second = digest(".log.gz", (pushSecond) => {
      pushSecond(other);
      const first = digest(".log.gz", (push) => {
        const feeder = new AheadFeeder((chunk) => {
          push(chunk);
          pushSecond(chunk);
        }, random);
        inPieces(bytes, 20_000, random)((chunk) => feeder.push(chunk));
        feeder.flush();
      });
      expect(first).toEqual(expected);
    });
    const joined = Buffer.concat([other, bytes]);
    expect(second).toEqual(digest(".log.gz", whole(joined)));
  });

  it("are those of one stream, though one reader reads two by turns, one of which ends within lines", () => {
    const random = new Random(runSeed());
    const texts = [0, 20].map((first) =>
      Array.from({ length: 4000 }, (_, i) => put(first + random.below(20), i)).join(""),
    );
    const turns = Array.from({ length: 5 }, (_, turn) =>
      texts.map((text, of) => {
        const part = text
          .split("\n")
          .slice(turn * 800, turn * 800 + 800)
          .join("\n");
        return new TextEncoder().encode(of === 0 ? part.slice(0, -10) : `${part}\n`);
      }),
    );
    const expected = digest(".log.gz", (push) => {
      for (const bytes of turns.flat()) push(bytes);
    });
    let foundIn = 0;
    const read = digest(".log.gz", (push) => {
      const feeders = texts.map(() => new AheadFeeder(push, random));
      for (const turn of turns) {
        for (const [of, bytes] of turn.entries()) {
          inPieces(bytes, 2000, random)((chunk) => feeders[of]!.push(chunk));
          feeders[of]!.flush();
        }
      }
      for (const feeder of feeders) foundIn += feeder.foundIn;
    });
    expect(read).toEqual(expected);
    expect(foundIn).toBeGreaterThan(50_000);
  });
});
