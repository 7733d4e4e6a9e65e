import { describe, expect, it } from "vitest";
import { counted, formatCount, formatSize, formatTime, parseSize } from "../../src/base/units.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { anyValue } from "./halves.ts";

describe("a size", () => {
  it.each([
    { text: "0", value: 0n },
    { text: "4096", value: 4096n },
    { text: "0x1000", value: 4096n },
    { text: "0XffffFFFFffffFFFF", value: 2n ** 64n - 1n },
    { text: "64K", value: 65_536n },
    { text: " 128TiB ", value: 2n ** 47n },
    { text: "15E", value: 15n * 2n ** 60n },
  ])("is read from $text", ({ text, value }) => {
    expect(parseSize(text)).toBe(value);
  });

  it.each(["", "x", "-1", "1.5G", "0x", "4k", "64 K", "0x10K", "1Ki", "16E", "0x10000000000000000", "９"])(
    "is none in %j: the error says so and names it",
    (text) => {
      expect(() => parseSize(text)).toThrow(expect.objectContaining({ code: "BAD_ARGUMENT" }));
      expect(() => parseSize(text)).toThrow(`"${text}" `);
    },
  );

  it(`is read back as it is written without a point, SEED=${runSeed()}`, () => {
    const random = new Random(runSeed());
    const wrong: string[] = [];
    for (let i = 0; i < 2000; i++) {
      const value = BigInt(random.below(1024)) << BigInt(10 * random.below(6));
      const text = formatSize(value);
      if (parseSize(text.replace(" ", "").replace(/^(\d+)B$/, "$1")) !== value)
        wrong.push(`${value}: ${text}`);
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1536, "1.5 KiB"],
    [2n ** 47n, "128 TiB"],
    [1_234_567, "1.18 MiB"],
    [2n ** 64n - 1n, "16 EiB"],
    [2n ** 70n, "1024 EiB"],
  ])("of %s is written as %s", (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});

describe("a count", () => {
  it(`has separators between each three digits, SEED=${runSeed()}`, () => {
    const random = new Random(runSeed());
    const wrong: string[] = [];
    for (let i = 0; i < 2000; i++) {
      const value = anyValue(random);
      if (formatCount(value) !== value.toLocaleString("en-US")) wrong.push(`${value}: ${formatCount(value)}`);
    }
    expect(wrong).toEqual([]);
    expect([formatCount(999), formatCount(2 ** 31)]).toEqual(["999", "2,147,483,648"]);
  });
});

describe("a time", () => {
  it.each([
    [0, "0 ns"],
    [1.23e-9, "1.23 ns"],
    [3.5e-5, "35 us"],
    [0.001, "1 ms"],
    [0.9999, "1000 ms"],
    [4.1, "4.1 s"],
    [119.9, "120 s"],
    [125, "2 min 5 s"],
    [3600.4, "60 min 0 s"],
  ])("of %f seconds is written as %s", (seconds, text) => {
    expect(formatTime(seconds)).toBe(text);
  });
});

describe("counted", () => {
  it.each([
    { count: 0, what: "map", text: "0 maps" },
    { count: 1, what: "map", text: "1 map" },
    { count: 2480, what: "map", text: "2,480 maps" },
    { count: 2n, what: "mismatch", text: "2 mismatches" },
    { count: 1n, what: "address", text: "1 address" },
    { count: 3, what: "address", text: "3 addresses" },
  ])("$text", ({ count, what, text }) => {
    expect(counted(count, what)).toBe(text);
  });

  it("takes other plurals", () => {
    expect([1, 2].map((count) => counted(count, "entry is", "entries are"))).toEqual([
      "1 entry is",
      "2 entries are",
    ]);
  });
});
