import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import type { IommuError } from "../../../src/base/errors.ts";
import { isReadOnce } from "../../../src/formats/input/input-data.ts";
import { packingOf } from "../../../src/formats/input/packing.ts";
import { readText } from "../../../src/formats/input/read-text.ts";
import { unpacked } from "../../../src/formats/input/unpacked.ts";
import { inputForms, lentPieces } from "../../helpers/input-forms.ts";
import { hasProgram } from "../../helpers/programs.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { some, times } from "../../helpers/some.ts";

const TEXT = Array.from({ length: 5000 }, (_, i) => `line ${i} äß\n`).join("");
const BYTES = new Uint8Array(new TextEncoder().encode(TEXT));
const packed = (ending: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`../../corpus/packed/lines.txt.${ending}`, import.meta.url)));

const FORMS = [
  { packing: "gzip", bytes: new Uint8Array(gzipSync(BYTES)), program: undefined, needs: "" },
  { packing: "zstd", bytes: packed("zst"), program: undefined, needs: "" },
  { packing: "xz", bytes: packed("xz"), program: "xz", needs: "xz-utils" },
  { packing: "bzip2", bytes: packed("bz2"), program: "bzip2", needs: "bzip2" },
  { packing: "lzop", bytes: packed("lzo"), program: "lzop", needs: "lzop" },
] as const;
/** Those that can be unpacked on this machine. */
const THERE = FORMS.filter(({ program }) => program === undefined || hasProgram(program));

/** What can be read, and why not more. */
const readAll = (bytes: Uint8Array, piece?: number): Promise<Read> => readFrom(lentPieces(bytes, piece));

interface Read {
  readonly read: Buffer;
  readonly error?: IommuError;
}

async function readFrom(pieces: AsyncIterable<Uint8Array>): Promise<Read> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of unpacked(pieces, "x")) chunks.push(Buffer.from(chunk));
    return { read: Buffer.concat(chunks) };
  } catch (error) {
    return { read: Buffer.concat(chunks), error: error as IommuError };
  }
}

/** Bytes one by one around a place, and whole before and behind that. */
async function* singlyAround(bytes: Uint8Array, place: number): AsyncGenerator<Uint8Array> {
  const [first, last] = [place - 50, place + 50];
  yield bytes.subarray(0, first);
  for (let at = first; at < last; at++) yield bytes.subarray(at, at + 1);
  yield bytes.subarray(last);
}

/** Is this what unpacked data begins with? */
const isBeginning = (read: Buffer, of = BYTES): boolean =>
  Buffer.compare(read, of.subarray(0, read.length)) === 0;

describe.each(FORMS)("data packed by $packing", ({ packing, bytes, program, needs }) => {
  it("is known by its first bytes", () => {
    expect(packingOf(bytes)).toBe(packing);
    expect(packingOf(bytes.subarray(0, 1))).toBeUndefined();
    expect(packingOf(new TextEncoder().encode("BZhello"))).toBeUndefined();
  });

  it.each(some(inputForms(bytes), 4))(
    "is read from $form, or what unpacks it is named",
    async ({ open, isOnce }) => {
      expect(isReadOnce(open())).toBe(isOnce);
      const reading = readText(open(), "x");
      if (program === undefined || hasProgram(program)) expect(await reading).toBe(TEXT);
      else await expect(reading).rejects.toThrow(`x: is packed by ${packing}: to unpack it the program`);
    },
  );

  const given = process.env.PATH;
  afterEach(() => {
    process.env.PATH = given;
  });

  it("needs no more than is told", async () => {
    process.env.PATH = "/nowhere";
    const reading = readText(bytes, "x");
    if (program === undefined) expect(await reading).toBe(TEXT);
    else
      await expect(reading).rejects.toMatchObject({
        code: "UNSUPPORTED",
        message: `x: is packed by ${packing}: to unpack it the program ${program} is needed (Debian has it in the package ${needs})`,
      });
  });
});

describe.each(THERE)("data packed by $packing", ({ packing, bytes, program }) => {
  it("may be in several pieces, each packed by itself", async () => {
    const twice = new Uint8Array([...bytes, ...bytes]);
    const sources = some(
      [singlyAround(twice, bytes.length), ...[1021, twice.length].map((piece) => lentPieces(twice, piece))],
      2,
    );
    for (const source of sources) {
      const { read, error } = await readFrom(source);
      expect(error).toBeUndefined();
      expect(read.length).toBe(2 * BYTES.length);
      expect(isBeginning(read.subarray(BYTES.length))).toBe(true);
    }
  });

  it("is read up to where it is cut, with the reason", async () => {
    for (const part of [0.2, 0.5, 0.9, 1 - 1 / bytes.length]) {
      const { read, error } = await readAll(bytes.subarray(0, Math.floor(part * bytes.length)));
      expect(error).toMatchObject({ code: "BAD_FILE", details: { path: "x", offset: read.length } });
      expect(error!.details.early).toMatch(packing === "gzip" ? /ends early$/ : /ends? early|damaged/);
      expect(isBeginning(read)).toBe(true);
    }
  });

  it("is read whole where other bytes follow it, and they are told of", async () => {
    const more = new Uint8Array([...bytes, ...new TextEncoder().encode("no packed data at all")]);
    const sources = some(
      [singlyAround(more, bytes.length), ...[1021, more.length].map((piece) => lentPieces(more, piece))],
      2,
    );
    for (const source of sources) {
      const { read, error } = await readFrom(source);
      expect(read.length).toBe(BYTES.length);
      expect(isBeginning(read)).toBe(true);
      expect(error?.details.early).toMatch(new RegExp(packing));
    }
  });

  it("is read up to a flipped bit, or is right", async () => {
    const random = new Random(runSeed());
    // Each time starts the program.
    for (let round = 0; round < (program === undefined ? 8 : times(1, 3)); round++) {
      const at = 32 + random.below(bytes.length - 32);
      const { read, error } = await readAll(bytes.with(at, bytes[at]! ^ (1 << random.below(8))));
      const where = `SEED=${runSeed()} byte ${at}`;
      if (error === undefined) expect(read.length, where).toBe(BYTES.length);
      else expect(error.details, where).toMatchObject({ path: "x", early: expect.stringContaining(packing) });
    }
  });

  it("is not unpacked further than it is read", async () => {
    for await (const chunk of unpacked(lentPieces(bytes), "x")) {
      expect(isBeginning(Buffer.from(chunk))).toBe(true);
      break;
    }
  });
});

describe("gzip", () => {
  const member = (bytes: Uint8Array, flags: number, more: number[]): Uint8Array<ArrayBuffer> => {
    const plain = gzipSync(bytes);
    return new Uint8Array([
      ...plain.subarray(0, 3),
      flags,
      ...plain.subarray(4, 10),
      ...more,
      ...plain.subarray(10),
    ]);
  };
  const small = new TextEncoder().encode("text\n");

  it.each([
    { what: "a name", bytes: member(small, 8, [0x61, 0]) },
    { what: "a comment", bytes: member(small, 16, [0x61, 0x62, 0]) },
    { what: "more in its header", bytes: member(small, 4, [2, 0, 0x1f, 0x8b]) },
    { what: "all of that and a sum", bytes: member(small, 30, [1, 0, 9, 0x61, 0, 0, 1, 2]) },
    { what: "zeros behind it", bytes: new Uint8Array([...gzipSync(small), ...new Uint8Array(3000)]) },
    { what: "nothing in it", bytes: new Uint8Array([...gzipSync(new Uint8Array(0)), ...gzipSync(small)]) },
  ])("with $what is read", async ({ bytes }) => {
    for (const piece of [1, 2, 3, 1021])
      expect(await readAll(bytes, piece)).toEqual({ read: Buffer.from(small) });
  });

  it("that is damaged loses little of what is before, and nothing before its sums", async () => {
    const random = new Random(1);
    const noise = Uint8Array.from({ length: 300_000 }, () => 97 + random.below(16));
    const whole = new Uint8Array(gzipSync(noise));
    for (const at of [20_000, 100_000, whole.length - 3, whole.length - 7]) {
      const { read, error } = await readAll(whole.with(at, whole[at]! ^ 0x10));
      const lost = noise.length * (at / whole.length) - read.length;
      expect(error!.details.early).toMatch(/damaged .*byte \d+ of it/);
      expect(lost).toBeLessThan(at < 60_000 ? 8000 : 70_000);
      if (at > whole.length - 8) expect(read.length).toBe(noise.length);
    }
  });

  it("names the byte at which other bytes follow", async () => {
    const bytes = new Uint8Array([...gzipSync(small), 0, 1, 2]);
    const { error } = await readAll(bytes);
    expect(error!.details.early).toBe(
      `the gzip data ends at byte ${bytes.length - 3}, and other bytes follow it (01 02)`,
    );
  });
});

it("what is packed several times is unpacked several times, but not for ever", async () => {
  let bytes = BYTES;
  for (let layers = 1; layers <= 4; layers++) {
    bytes = new Uint8Array(gzipSync(bytes));
    expect(await readText(bytes)).toBe(TEXT);
  }
  await expect(readText(new Uint8Array(gzipSync(bytes)))).rejects.toThrow("is packed more than 4 times");
});

it("a program that fails without a word is told of with its status", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "programs-"));
  const given = process.env.PATH;
  try {
    symlinkSync("/bin/false", path.join(folder, "xz"));
    writeFileSync(path.join(folder, "bzip2"), "no program");
    process.env.PATH = folder;
    expect((await readAll(packed("xz"))).error?.details.early).toMatch(/xz ended with status 1/);
    expect((await readAll(packed("bz2"))).error).toMatchObject({ code: "UNSUPPORTED" });
  } finally {
    process.env.PATH = given;
    rmSync(folder, { recursive: true });
  }
});
