import stringWidth from "string-width";
import { describe, expect, it } from "vitest";
import { textWidth } from "../../src/cli/text-width.ts";
import { Random, runSeed } from "../helpers/random.ts";

const seed = runSeed();

describe("the width of a text", () => {
  it.each([
    "",
    "0000:00:03.0",
    "\u001b[31merror\u001b[39m: leak",
    "────────",
    "▁▂▃▄▅▆▇█",
    "kworker/2:1-日本語",
    "한국어",
    "ｶﾀｶﾅ",
    "é",
    "é",
    "Ω µs",
    "\u200b",
    "a\tb\u0000c",
    "👍",
    "👍🏽",
    "👨‍👩‍👧",
    "❤️",
    "🇩🇪",
    "\ud800",
  ])("of %j is what string-width says", (text) => {
    expect(textWidth(text)).toBe(stringWidth(text));
  });

  it(`of any letters and signs is what string-width says, seed ${seed}`, () => {
    const random = new Random(seed);
    // Latin, Greek, Cyrillic; punctuation, arrows, boxes, blocks; CJK, Hangul, half and full width.
    const ranges = [
      [0x20, 0x7e],
      [0xa1, 0x52f],
      [0x2010, 0x2027],
      [0x2190, 0x21ff],
      [0x2500, 0x259f],
      [0x3041, 0x3096],
      [0x4e00, 0x9fff],
      [0xac00, 0xd7a3],
      [0xff01, 0xff5e],
    ] as const;
    for (let round = 0; round < 500; round++) {
      const letters = Array.from({ length: random.below(12) }, () => {
        const [first, last] = random.pick(ranges);
        return String.fromCodePoint(first + random.below(last - first + 1));
      });
      const text = letters.join("");
      if (textWidth(text) !== stringWidth(text))
        expect(textWidth(text), JSON.stringify(text)).toBe(stringWidth(text));
    }
  });
});
