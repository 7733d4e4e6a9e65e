import { closeSync, openSync, statSync, writeSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import {
  ascii,
  be,
  CONFIGURATION,
  footer,
  HEADER,
  named,
  section,
} from "../formats/migration/small-stream.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { measured } from "./measured.ts";

const LIMIT_MIB = 200;

const folder = scratchFolder();

function written(name: string, pieces: Iterable<readonly number[] | Uint8Array>): string {
  const file = path.join(folder, `${name}.mig`);
  const fd = openSync(file, "w");
  const buffer = new Uint8Array(2 ** 22);
  let used = 0;
  for (const piece of pieces) {
    if (used + piece.length > buffer.length) {
      writeSync(fd, buffer, 0, used);
      used = 0;
    }
    if (piece.length > buffer.length) writeSync(fd, Uint8Array.from(piece));
    else {
      buffer.set(piece, used);
      used += piece.length;
    }
  }
  writeSync(fd, buffer, 0, used);
  closeSync(fd);
  return file;
}

const LONG_NAME = "x".repeat(255);
/** Where a section with that name has its number, its instance, and its number again. */
const ID_PLACES = [1, 6 + LONG_NAME.length, 15 + LONG_NAME.length];

const START = [...HEADER, ...CONFIGURATION];
const tceHead = (entries: number): number[] => [
  ...[4, ...be(4, 1), ...named("spapr_iommu"), ...be(4, 0x8000_0000), ...be(4, 3)],
  ...[...be(4, 0x8000_0000), ...be(4, entries), 0],
];
const describedAs = (text: string): number[] => [0, 6, ...be(4, text.length), ...ascii(text)];

/** A table of so many entries, made a MiB at a time. */
function* tableOf(
  entries: number,
  fill: (words: DataView, first: number) => void,
): Generator<number[] | Uint8Array> {
  yield START;
  yield tceHead(entries);
  const piece = new Uint8Array(2 ** 20);
  for (let at = 0; at < entries * 8; at += piece.length) {
    fill(new DataView(piece.buffer), at / 8);
    yield piece.subarray(0, Math.min(piece.length, entries * 8 - at));
  }
  yield [1, ...footer(1), 0];
}

const random = new Random(runSeed());

/** Fills every `step`th entry. */
const each = (words: DataView, step: number, put: (at: number) => void): void => {
  for (let at = 0; at < words.byteLength; at += 8 * step) put(at);
};

/** An entry of 64 random bits that permits all. */
const anyEntry = (words: DataView, at: number): void => {
  words.setUint32(at, random.below(2 ** 32));
  words.setUint32(at + 4, random.below(2 ** 32) | 3);
};

/** What asks for much memory, by what it says or by what it is. */
const HOSTILE: readonly {
  name: string;
  pieces: () => Iterable<readonly number[] | Uint8Array>;
  reason: RegExp;
  /** QEMU loads it, and so do we, with a warning. */
  loads?: boolean;
}[] = [
  {
    name: "a table of 2^32 - 1 entries that do not come",
    pieces: () => [START, tceHead(0xffff_ffff), new Uint8Array(2 ** 24)],
    reason: /byte \d+ \(0x\w+\): the stream ends within a TCE table/,
  },
  {
    name: "half a million entries, each alone among 512",
    pieces: () => tableOf(2 ** 24, (words) => each(words, 32, (at) => anyEntry(words, at))),
    reason: /byte \d+ \(0x\w+\): the TCE tables take more than 67108864 bytes of memory by here/,
  },
  {
    name: "millions of entries that have nothing in common",
    pieces: () => tableOf(2 ** 23, (words) => each(words, 1, (at) => anyEntry(words, at))),
    reason: /byte \d+ \(0x\w+\): the TCE tables take more than 67108864 bytes of memory by here/,
  },
  {
    name: "entries whose page size turns out to be another",
    pieces: () =>
      tableOf(2 ** 23, (words, first) =>
        each(words, 1, (at) => {
          const page = first + at / 8;
          words.setUint32(at, page >>> 16);
          words.setUint32(at + 4, (page << 16) | 3);
        }),
      ),
    reason: /byte \d+ \(0x\w+\): the TCE tables take more than 67108864 bytes of memory by here/,
  },
  {
    name: "a description of 4 GiB",
    pieces: () => [START, [0, 6, ...be(4, 0xffff_ffff)]],
    reason: /byte \d+ \(0x\w+\): a description of 4294967295 bytes; at most 8388608 are read/,
    loads: true,
  },
  {
    name: "a description of a million empty objects",
    pieces: () => [START, describedAs(`{"devices": [${"{},".repeat(2 ** 20)}{}]}`)],
    reason: /byte \d+ \(0x\w+\): a description of sections with 1048579 objects and lists/,
    loads: true,
  },
  {
    name: "a description with as many names as are allowed",
    pieces: () => {
      const names = Array.from({ length: 2 ** 18 - 2 }, (_, i) => `"${i.toString(36)}":0`);
      return [START, describedAs(`{"devices": [], "x": {${names.join(",")}}, "y": 0}x`)];
    },
    reason: /byte \d+: the description of the sections is not JSON/,
    loads: true,
  },
  {
    name: "sections without end, with long names",
    pieces: function* () {
      yield START;
      const bytes = Uint8Array.from(section(4, 0, LONG_NAME, 0, 1, []));
      const fields = new DataView(bytes.buffer);
      for (let i = 0; i < 70_000; i++) {
        for (const at of ID_PLACES) fields.setUint32(at, i);
        yield bytes;
      }
    },
    reason: /byte \d+ \(0x\w+\): more than 65536 sections/,
  },
  {
    name: "windows without end",
    pieces: function* () {
      yield START;
      for (let i = 0; i < 5000; i++)
        yield section(4, i, "spapr_iommu", i, 3, [...be(4, i), ...be(4, 1), 0, ...be(8, 3), 0]);
    },
    reason: /byte \d+ \(0x\w+\): more than 4096 TCE tables/,
  },
  {
    name: "RAM blocks without end",
    pieces: function* () {
      yield [...START, 1, ...be(4, 2), ...named("ram"), ...be(4, 0), ...be(4, 4), ...be(8, 2 ** 50 + 4)];
      for (let i = 0; i < 10_000; i++) yield [...named(`${"y".repeat(240)}${i}`), ...be(8, 4096)];
    },
    reason: /byte \d+ \(0x\w+\): more than 4096 RAM blocks/,
  },
];

/** How a verb gets the stream. */
const WAYS: readonly { readonly verb: string; readonly piped: boolean }[] = [
  { verb: "info", piped: false },
  { verb: "check", piped: false },
  { verb: "info", piped: true },
];

/** One of them. */
const QUICK = HOSTILE.filter((_, i) => i % 16 === 0).map((one) => ({ ...one, ways: [WAYS[0]!] }));
const ALL = HOSTILE.map((one) => ({ ...one, ways: WAYS }));

/** Hostile streams end with offset and reason, and take less than 200 MiB. */
export function readHostileStreams(which: "quick" | "all"): void {
  it.each<(typeof ALL)[number]>(which === "quick" ? QUICK : ALL)(
    "ends with offset and reason, and takes less than 200 MiB: $name",
    async ({ name, pieces, reason, ways, loads = false }) => {
      const file = written(name.replaceAll(/\W+/g, "-"), pieces());
      for (const { verb, piped } of ways) {
        const { status, stdout, stderr, peakMib } = piped
          ? await measured([verb, "-"], { input: file })
          : await measured([verb, file]);
        expect(loads ? [0, 3] : [1, 2], stderr).toContain(status);
        expect(stdout + stderr, `SEED=${random.seed}`).toMatch(reason);
        expect(peakMib, `${verb}, SEED=${random.seed}, of ${statSync(file).size} bytes`).toBeLessThan(
          LIMIT_MIB,
        );
      }
    },
  );
}
