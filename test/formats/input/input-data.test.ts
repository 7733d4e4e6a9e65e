import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { IommuError } from "../../../src/base/errors.ts";
import { isReadOnce } from "../../../src/formats/input/input-data.ts";
import { openInput } from "../../../src/formats/input/opened-input.ts";
import { readText } from "../../../src/formats/input/read-text.ts";
import { openSource } from "../../../src/formats/migration/source.ts";
import { inputForms, lentPieces } from "../../helpers/input-forms.ts";
import { times } from "../../helpers/some.ts";

const TEXT = Array.from({ length: 5000 }, (_, i) => `line ${i} äß\n`).join("");
const BYTES = new Uint8Array(new TextEncoder().encode(TEXT));
const PACKED = new Uint8Array(gzipSync(BYTES));

const failure = (work: Promise<unknown>): Promise<IommuError> =>
  work.then(
    () => expect.unreachable("it should fail"),
    (error) => error as IommuError,
  );

describe.each([
  { how: "plain", bytes: BYTES },
  { how: "packed", bytes: PACKED },
])("an input of $how bytes", ({ bytes }) => {
  it.each(inputForms(bytes))("is read from $form", async ({ open, isOnce }) => {
    expect(await readText(open())).toBe(TEXT);
    expect(isReadOnce(open())).toBe(isOnce);
  });

  it.each(inputForms(bytes))(
    "can be looked at, and then read from its start, from $form",
    async ({ open }) => {
      const opened = await openInput(open(), "input", 100);
      expect(opened.head.subarray(0, 100)).toEqual(BYTES.subarray(0, 100));
      const decoder = new TextDecoder();
      let text = "";
      for await (const chunk of openSource(await opened.source()))
        text += decoder.decode(chunk, { stream: true });
      expect(text).toBe(TEXT);
    },
  );
});

describe("an input", () => {
  it("is a text as it is", async () => {
    expect(await readText(TEXT)).toBe(TEXT);
    expect(await readText("")).toBe("");
  });

  it("is read as a stream where a file has one and nothing is read twice", async () => {
    const read = (): Promise<Uint8Array> => expect.unreachable("the stream should be read");
    expect(await readText({ size: BYTES.length, read, stream: () => lentPieces(BYTES) })).toBe(TEXT);
  });

  it("that is packed and ends early says so, wherever it is cut", async () => {
    for (let length = 2; length < PACKED.length; length += times(397, 97)) {
      const error = await failure(readText(PACKED.subarray(0, length), "cut.gz"));
      expect(error.message, `${length} bytes`).toBe("cut.gz: the gzip data ends early");
      expect(error.code).toBe("BAD_FILE");
      expect(error.details.early).toBe("the gzip data ends early");
    }
  });

  it("that is packed and damaged says so, and where", async () => {
    const damaged = PACKED.slice();
    damaged.fill(0x55, 40, 80);
    const error = await failure(readText(damaged, "bad.gz"));
    expect(error.message).toMatch(/^bad\.gz: the gzip data is damaged at or after byte \d+ of it \(.+\)$/);
    expect(error.details.early).toBe(error.message.slice("bad.gz: ".length));
  });

  it.each(["plain", "packed"])("that breaks hands the error on: %s", async (how) => {
    const reason = new Error("the disk is gone");
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield (how === "packed" ? PACKED : BYTES).slice(0, 5000);
      throw reason;
    };
    expect(await failure(readText(source()))).toBe(reason);
  });

  it.each(["plain", "packed"])("is closed when its reader has enough: %s", async (how) => {
    let isClosed = false;
    const source = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield* lentPieces(how === "packed" ? PACKED : BYTES, 100);
      } finally {
        isClosed = true;
      }
    };
    const { chunks } = await openInput(source(), "input", 10);
    await chunks.return(undefined);
    await new Promise(setImmediate);
    expect(isClosed).toBe(true);
  });

  it("that begins with a mark of byte order is text without it", async () => {
    expect(await readText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d), "x.jsonl")).toBe("{}");
  });

  it("that is no UTF-8 is refused with its place", async () => {
    const error = await failure(readText(Uint8Array.of(0x61, 0x0a, 0x62, 0xff), "x.jsonl"));
    expect(error).toBeInstanceOf(IommuError);
    expect(error.message).toBe("x.jsonl:2:2: byte 0xff is no UTF-8");
  });
});

it.each([
  ["bytes of ours", "\0\x01", 18],
  // It keeps what does not repeat as it is.
  ["what lz4 packed", "\x04\x22\x4d\x18", undefined],
])("a migration stream can stand behind %s", async (_name, before, savedAt) => {
  const head = `${before.padEnd(18, "\0")}QEVM\0\0\0\x03`.padEnd(100, "\0");
  const opened = await openInput(
    Uint8Array.from(head, (letter) => letter.charCodeAt(0)),
    "input",
    16,
  );
  expect(opened.savedAt).toBe(savedAt);
});
