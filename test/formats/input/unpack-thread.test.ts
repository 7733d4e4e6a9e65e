import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Worker } from "node:worker_threads";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { describe, expect, it, vi } from "vitest";
import type { IommuError } from "../../../src/base/errors.ts";
import { openInput } from "../../../src/formats/input/opened-input.ts";
import { unpacked } from "../../../src/formats/input/unpacked.ts";
import { LinesAhead } from "../../../src/formats/lines/lines-ahead.ts";
import type { ByteStreamFactory } from "../../../src/formats/migration/source.ts";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { formatQemuTraceEvent } from "../../../src/formats/trace/trace-text.ts";
import { readCorpus } from "../../helpers/corpus.ts";
import { lentPieces } from "../../helpers/input-forms.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { times } from "../../helpers/some.ts";

const DIST = path.resolve(import.meta.dirname, "../../../dist/formats/input");
/** As said of a source that is worth a thread. */
const LONG = 2 ** 22;
const PIECE = 1021;

const random = new Random(runSeed());
const text = (length: number): Uint8Array =>
  Uint8Array.from({ length }, () => 97 + random.below(4) * random.below(4));
const SMALL = text(200_000);
const GZIP = new Uint8Array(gzipSync(SMALL));
const ZSTD = new Uint8Array(readFileSync(new URL("../../corpus/packed/lines.txt.zst", import.meta.url)));

interface Read {
  readonly read: Buffer;
  readonly error?: IommuError;
}

async function readAll(source: AsyncIterable<Uint8Array>, size: number): Promise<Read> {
  const chunks: Buffer[] = [];
  try {
    // Chunks are lent.
    for await (const chunk of unpacked(source, "x", { size })) chunks.push(Buffer.from(chunk));
    return { read: Buffer.concat(chunks) };
  } catch (error) {
    return { read: Buffer.concat(chunks), error: error as IommuError };
  }
}

/** An error, what caused it, and so on. */
const causesOf = (error: Error | undefined): Error[] =>
  error === undefined ? [] : [error, ...causesOf(error.cause as Error | undefined)];

/** What a thread gives is what is given without one, errors too. */
async function expectSame(bytes: Uint8Array, where: string): Promise<Read> {
  const [plain, threaded] = await Promise.all([
    readAll(lentPieces(bytes, PIECE), 0),
    readAll(lentPieces(bytes, PIECE), LONG),
  ]);
  const say = ({ read, error }: Read) => ({
    length: read.length,
    errors: causesOf(error).map((one) => ({ ...one, message: one.message, class: one.constructor.name })),
  });
  expect(say(threaded), where).toEqual(say(plain));
  expect(threaded.read.equals(plain.read), where).toBe(true);
  return threaded;
}

describe.each([
  { packing: "gzip", bytes: GZIP },
  { packing: "zstd", bytes: ZSTD },
])("a thread that unpacks $packing", ({ bytes }) => {
  it("gives what is given without one, of whole data, cut data, and data with something behind it", async () => {
    const { error } = await expectSame(bytes, "whole");
    expect(error).toBeUndefined();
    await expectSame(new Uint8Array([...bytes, ...bytes]), "twice");
    const cut = await expectSame(bytes.subarray(0, bytes.length / 2), "cut");
    expect(cut.error).toMatchObject({ code: "BAD_FILE", details: { path: "x", offset: cut.read.length } });
    const more = await expectSame(new Uint8Array([...bytes, 1, 2, 3, 4, 5, 6, 7, 8]), "more");
    expect(more.error?.details.early).toBeDefined();
  });

  it("gives what is given without one, of data with flipped bits", async () => {
    for (let round = 0; round < times(2, 60); round++) {
      const at = random.below(bytes.length);
      await expectSame(bytes.with(at, bytes[at]! ^ (1 << random.below(8))), `SEED=${runSeed()} byte ${at}`);
    }
  });
});

it("what is more than waits in its buffers comes in order, though nobody looks at it for a while", async () => {
  const whole = Buffer.concat(Array<Uint8Array>(45).fill(SMALL));
  const bytes = new Uint8Array(gzipSync(whole, { level: 1 }));
  let length = 0;
  for await (const chunk of unpacked(lentPieces(bytes, 70_001), "x", { size: LONG })) {
    if (length === 0) await new Promise((resolve) => setTimeout(resolve, 100));
    expect(Buffer.compare(chunk, whole.subarray(length, length + chunk.length))).toBe(0);
    length += chunk.length;
  }
  expect(length).toBe(whole.length);
});

it("an error of the source comes behind what was unpacked before it, as it is", async () => {
  const failure = new Error("the cable was pulled");
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield* lentPieces(GZIP.subarray(0, 20 * PIECE), PIECE);
    throw failure;
  }
  const { read, error } = await readAll(failing(), LONG);
  expect(error).toBe(failure);
  expect(read.length).toBeGreaterThan(0);
  expect(read.equals(SMALL.subarray(0, read.length))).toBe(true);
});

it("who stops to read ends the thread and closes the source", async () => {
  let isClosed = false;
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield GZIP;
    } finally {
      isClosed = true;
    }
  }
  const begun: Worker[] = [];
  const ended: Promise<unknown>[] = [];
  const watch = (worker: Worker): void => {
    begun.push(worker);
    ended.push(once(worker, "exit"));
  };
  process.on("worker", watch);
  for await (const chunk of unpacked(watched(), "x", { size: LONG })) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  process.off("worker", watch);
  expect(isClosed).toBe(true);
  expect(begun).toHaveLength(1);
  await Promise.all(ended);
});

it("what can be read again is never read twice at one time", async () => {
  const bytes = new Uint8Array(gzipSync(Uint8Array.from({ length: 8_000_000 }, () => random.below(256))));
  let reads = 0;
  const file = {
    size: bytes.length,
    read: async (offset: number, length: number): Promise<Uint8Array> => {
      expect(++reads).toBe(1);
      // Long enough that the first look ends in the middle of one.
      await new Promise((resolve) => setTimeout(resolve, 20));
      reads--;
      return bytes.subarray(offset, offset + length);
    },
  };
  const source = (await (await openInput(file, "x", 16)).source()) as ByteStreamFactory;
  let length = 0;
  for await (const chunk of source()) length += chunk.length;
  expect(length).toBe(8_000_000);
});

it("lines are found in the thread for who reads them, with what they say without it", async () => {
  const recorded = Buffer.from(readCorpus("traces", "nvme-e1000-1g-linux61.log"));
  const bytes = new Uint8Array(gzipSync(Buffer.concat(Array<Buffer>(6).fill(recorded)), { level: 1 }));
  const found: boolean[] = [];
  const look = vi.spyOn(LinesAhead, "foundFor");
  const read = async (size: number) => {
    const events: string[] = [];
    const reader = new QemuLogReader((event) => events.push(formatQemuTraceEvent(event)));
    for await (const chunk of unpacked(lentPieces(bytes, 100_003), "x", { size })) {
      reader.push(chunk);
      found.push(look.mock.results.at(-1)?.value !== undefined);
    }
    reader.end();
    return { counts: reader.counts, events: events.join("\n") };
  };
  const plain = await read(0);
  expect(found).not.toContain(true);
  expect(await read(LONG)).toEqual(plain);
  expect(found).toContain(true);
  look.mockRestore();
});

describe("a program of its own", () => {
  const folder = (): string => mkdtempSync(path.join(tmpdir(), "unpack-thread-"));

  it("ends, though it has begun to read and forgot that", () => {
    const place = folder();
    writeFileSync(path.join(place, "long.gz"), GZIP);
    const program = `
      import { readFileSync } from "node:fs";
      import { unpacked } from ${JSON.stringify(pathToFileURL(path.join(DIST, "unpacked.js")))};
      async function* source() { for (;;) yield readFileSync("long.gz"); }
      const chunks = unpacked(source(), "x", { size: ${LONG} })[Symbol.asyncIterator]();
      console.log((await chunks.next()).value.length > 0);
    `;
    const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      cwd: place,
      encoding: "utf8",
      timeout: 60_000,
    });
    rmSync(place, { recursive: true });
    expect({ stdout, status }).toEqual({ stdout: "true\n", status: 0 });
  });

  it("that somebody put into one file unpacks without a thread, as there is no file for that", async () => {
    const place = folder();
    writeFileSync(
      path.join(place, "entry.js"),
      `
      import { readFileSync } from "node:fs";
      import { unpacked } from ${JSON.stringify(path.join(DIST, "unpacked.js"))};
      async function* source() { yield readFileSync("long.gz"); }
      let length = 0;
      for await (const chunk of unpacked(source(), "x", { size: ${LONG} })) {
        length += chunk.length;
      }
      console.log(length);
      `,
    );
    writeFileSync(path.join(place, "long.gz"), GZIP);
    await build({
      root: place,
      logLevel: "silent",
      build: { ssr: path.join(place, "entry.js"), outDir: path.join(place, "out"), minify: false },
    });
    const out = spawnSync(process.execPath, [path.join("out", "entry.mjs")], {
      cwd: place,
      encoding: "utf8",
    });
    rmSync(place, { recursive: true });
    expect(out).toMatchObject({ stdout: `${SMALL.length}\n`, stderr: "", status: 0 });
  });
});
