import { DECIMAL, HEX, NOTHING, VALUES, WORD } from "../lines/line-matcher.ts";
import { KEY_ATTRIBUTES, KEY_DMA_ADDRESS, KEY_IGNORED, KEY_PHYS_ADDRESS, KEY_SIZE } from "./dma-keys.ts";
import { hexDigit } from "./number-reader.ts";

const SPACE = 0x20;
const OPEN_PARENTHESIS = 0x28;
const CLOSE_PARENTHESIS = 0x29;
const ZERO = 0x30;
const LETTER_X = 0x78;

/** Keys of the values of a line, and start, end and way of each. */
export interface FoundValues {
  readonly keys: readonly number[];
  readonly places: readonly number[];
}

/** Where the number with a key will be in a line's record: the last one, as it is when it is read the first time. */
export function placeOf(key: number, { keys, places }: FoundValues): number {
  const number = keys.lastIndexOf(key);
  return number < 0 || places[number * 3 + 2] === WORD ? NOTHING : VALUES + number * 2;
}

/**
 * The values that may differ, with start, end and way of each: all after the first but attributes, of which there are few.
 * Undefined if one has blanks.
 */
export function findValues(
  bytes: Uint8Array,
  keys: readonly number[],
  places: readonly number[],
): FoundValues | undefined {
  const found = { keys: [] as number[], places: [] as number[] };
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i]!;
    if (key === KEY_ATTRIBUTES) continue;
    let start = places[i * 2]!;
    const end = places[i * 2 + 1]!;
    let wordEnd = start;
    while (wordEnd < end && bytes[wordEnd]! > SPACE) wordEnd++;
    let way = wayOf(key, bytes, start, wordEnd);
    if (way === WORD && bytes[start] === ZERO && bytes[start + 1] === LETTER_X && isNumber(key)) {
      way = wayOf(KEY_DMA_ADDRESS, bytes, start + 2, wordEnd);
      if (way === HEX) start += 2;
    }
    found.keys.push(key);
    found.places.push(start, wordEnd, way);
    if (wordEnd === end) {
      if (bytes[end]! > SPACE) return undefined;
      continue;
    }
    // The same once more in a remark: `0x600 (1536)`.
    const isRemark = bytes[wordEnd + 1] === OPEN_PARENTHESIS && bytes[end - 1] === CLOSE_PARENTHESIS;
    const digits = wayOf(KEY_SIZE, bytes, wordEnd + 2, end - 1);
    if (way === WORD || !isRemark || digits !== DECIMAL) return undefined;
    found.keys.push(KEY_IGNORED);
    found.places.push(wordEnd + 2, end - 1, DECIMAL);
  }
  return found;
}

const isNumber = (key: number): boolean =>
  key === KEY_DMA_ADDRESS || key === KEY_PHYS_ADDRESS || key === KEY_SIZE;

/** How to read values like the one in `[start, end)`. */
function wayOf(key: number, bytes: Uint8Array, start: number, end: number): number {
  const value = bytes.subarray(start, end);
  if (!isNumber(key) || value.length === 0) return WORD;
  if (key === KEY_SIZE) return value.every((byte) => byte >= ZERO && byte < ZERO + 10) ? DECIMAL : WORD;
  return value.every((byte) => hexDigit(byte) < 16) ? HEX : WORD;
}
