import { beforeAll, describe, expect, it } from "vitest";
import { IommuError } from "../../../src/base/errors.ts";
import { isZstd, Zstd, type ZstdStream } from "../../../src/formats/input/zstd.ts";

const lines = (from: number, to: number): Buffer =>
  Buffer.from(Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join(""));

/** Packed by zstd 1.5.4, `-19 --no-check`. */
const FIRST = Buffer.from(
  "KLUv/QBoBQkAFh86EqCloDnRIwDwW1qypZQW+0WrFTgANwAuAEKZLEEqKCYkIhqMxRGiSp1Koy273tAicSgMluQ4A2u0mSzWcdsLq+lZjjvfHy4aiXILwgBgIEAg8/Lxff7+D19hCk9YwhFumOGFD4dwFdWUVFSLtbpCFRENCQWVSKMpUA3NjExMh7N5wpSQjIiENDHFE0sccWPGi49DXJ36dOnR29nX76EXJz5cePBy8vF54LVpz5Ydu5t7+x12PX2CqqmeWuqoW7NefR3qookeWuigS5MePR3ommmeWeaYO3Pe/BzmkkkeWeSQK1OevBzkCoDHqBAYz+fg1xASP9vbN2/vXr17e/bt7bW3d3o2WDQYLBgMDgqGBgMLg2kmAAEAAPYCAikF",
  "base64",
);
/** The same with a checksum. */
const SECOND = Buffer.from(
  "KLUv/QRo3QYAhpMkEaAnrQaQ9P9PVnb3TiRA4JCtJwAjABYARERERDMzMzMzIiIiIiL/nxWNHIMYZ0UjxyCGs6KRYwAIMQKCwoAQ4zgOh8PhcDgcDoeiKIqiKIqieHd3d3dnZmZmZlZVVVVVRRSUzjnnnHPOKaWUUkop5f//j+M4juMYgLv33nvvvddaa6211tpaa6211loppZRSSgOAx6gQgL4d8JU1EEZ+EUhGda3VtWrXql6ruq7q2qprta5VvVZ1K/T93/e/3/++//v+7/vf73/f/yV3u//7xFKU+79ioZMp+uc6yA==",
  "base64",
);
/** 1 MiB of zeros, with a checksum. */
const ZEROS = Buffer.from("KLUv/QRoTAAACAABAPz/ORACAgAQAAIAEAACABAAAgAQAAIAEAACABAAAwAQAPE+FuE=", "base64");

const readAll = (stream: ZstdStream, pieces: Iterable<Uint8Array>): Buffer => {
  const unpacked: Uint8Array[] = [];
  for (const piece of pieces) unpacked.push(...stream.push(piece));
  return Buffer.concat([...unpacked, ...stream.end()]);
};

const cut = (bytes: Uint8Array, length: number): Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.length / length) }, (_, i) =>
    bytes.subarray(i * length, (i + 1) * length),
  );

const failure = (work: () => unknown): IommuError => {
  try {
    work();
  } catch (error) {
    return error as IommuError;
  }
  return expect.unreachable("it should fail");
};

describe("zstd", () => {
  let zstd: Zstd;
  beforeAll(async () => {
    zstd = await Zstd.load();
  });

  it("is known by its first bytes", () => {
    expect(isZstd(FIRST)).toBe(true);
    expect(isZstd(Buffer.from([0x5e, 0x2a, 0x4d, 0x18]))).toBe(true);
    expect(isZstd(FIRST.subarray(0, 3))).toBe(false);
    expect(isZstd(Buffer.from([0x28, 0x2a, 0x4d, 0x18]))).toBe(false);
    expect(isZstd(new Uint8Array(4))).toBe(false);
  });

  it("unpacks a frame of a known size", () => {
    expect(Buffer.from(zstd.frame(FIRST, 1690))).toEqual(lines(0, 200));
    expect(Buffer.alloc(1 << 20).equals(zstd.frame(ZEROS, 1 << 20))).toBe(true);
  });

  it.each([1, 1689, 1691, 100_000])("refuses a frame that should have %i bytes and has 1690", (size) => {
    expect(failure(() => zstd.frame(FIRST, size)).message).toBe("the zstd data is damaged");
  });

  it.each([1, 2, 7, 100, 10_000])("unpacks frames one after another in pieces of %i bytes", (length) => {
    const packed = Buffer.concat([FIRST, SECOND, FIRST, ZEROS]);
    const unpacked = readAll(zstd.stream(), cut(packed, length));
    const all = Buffer.concat([lines(0, 200), lines(200, 400), lines(0, 200), Buffer.alloc(1 << 20)]);
    expect(unpacked.equals(all)).toBe(true);
  });

  it("gives what a piece holds at the latest with the next one", () => {
    const stream = zstd.stream();
    let bytes = 0;
    for (let i = 0; i < 10; i++) {
      for (const piece of stream.push(Buffer.concat([FIRST, FIRST, FIRST]))) bytes += piece.length;
      expect(bytes).toBeGreaterThanOrEqual(i * 3 * 1690);
    }
    expect([...stream.end()].reduce((sum, piece) => sum + piece.length, bytes)).toBe(10 * 3 * 1690);
  });

  it("that ends early says so, wherever it is cut", () => {
    for (let length = 1; length < SECOND.length; length += 13) {
      const error = failure(() => readAll(zstd.stream(), [SECOND.subarray(0, length)]));
      expect(error, `${length} bytes`).toBeInstanceOf(IommuError);
      expect(error.details.early, `${length} bytes`).toBe("the zstd data ends early");
    }
  });

  it("that is damaged is refused", () => {
    // (The window of a frame that is refused stays in the decoder's memory.)
    for (let at = 6; at < SECOND.length; at += 11) {
      const broken = Buffer.from(SECOND);
      broken[at]! ^= 0x55;
      const { code, message } = failure(() => readAll(zstd.stream(), cut(broken, 50)));
      expect({ code, message }, `byte ${at}`).toMatchObject({
        code: "BAD_FILE",
        message: expect.stringMatching(/^the zstd data (is damaged|ends early)$/),
      });
    }
  });
});
