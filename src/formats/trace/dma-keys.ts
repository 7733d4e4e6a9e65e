import { DMA_KINDS, type DmaField } from "./dma-kinds.ts";
import { WordSet } from "./words.ts";

/**
 * The words with `=` in the text of `dma` events.
 *
 * @module
 */

export const KEY_DEVICE = 0;
export const KEY_DIRECTION = 1;
export const KEY_DMA_ADDRESS = 2;
export const KEY_SIZE = 3;
export const KEY_PHYS_ADDRESS = 4;
export const KEY_POINTER = 5;
export const KEY_ATTRIBUTES = 6;
export const KEY_ERROR = 7;
export const KEY_ENTRIES = 8;
export const KEY_RANGES = 9;
export const KEY_TRUNCATED = 10;
export const KEY_DMA_LIST = 11;
export const KEY_SIZE_LIST = 12;
export const KEY_PHYS_LIST = 13;
export const KEY_IGNORED = 14;

/** Keys in the words of the kernel's format, and in those of its fields. */
const KEYS: readonly (readonly [string, number])[] = [
  ["device", KEY_DEVICE],
  ["dir", KEY_DIRECTION],
  ["dma_addr", KEY_DMA_ADDRESS],
  ["addr", KEY_DMA_ADDRESS],
  ["size", KEY_SIZE],
  ["phys_addr", KEY_PHYS_ADDRESS],
  ["virt_addr", KEY_POINTER],
  ["attrs", KEY_ATTRIBUTES],
  ["err", KEY_ERROR],
  ["nents", KEY_ENTRIES],
  ["full_nents", KEY_ENTRIES],
  ["ents", KEY_RANGES],
  ["full_ents", KEY_RANGES],
  ["truncated", KEY_TRUNCATED],
  ["dma_addrs", KEY_DMA_LIST],
  ["sizes", KEY_SIZE_LIST],
  ["lengths", KEY_SIZE_LIST],
  ["phys_addrs", KEY_PHYS_LIST],
  ["addrs", KEY_PHYS_LIST],
];
const KEY_WORDS = new WordSet(KEYS.map(([word]) => word));
const KEY_OF_WORD = Uint8Array.from(KEYS, ([, key]) => key);

/** The key that `[start, end)` spells; {@link KEY_IGNORED} for one that is of no use here. */
export function keyOf(bytes: Uint8Array, start: number, end: number): number {
  const word = KEY_WORDS.find(bytes, start, end);
  return word < 0 ? KEY_IGNORED : KEY_OF_WORD[word]!;
}

/** The keys of each field. */
const KEYS_OF_FIELD: Readonly<Record<DmaField, readonly number[]>> = {
  direction: [KEY_DIRECTION],
  dmaAddress: [KEY_DMA_ADDRESS],
  size: [KEY_SIZE],
  physAddress: [KEY_PHYS_ADDRESS],
  attributes: [KEY_ATTRIBUTES],
  error: [KEY_ERROR],
  entries: [KEY_PHYS_LIST],
  ranges: [KEY_DMA_LIST, KEY_SIZE_LIST],
  truncated: [KEY_TRUNCATED],
};

/** What each kind must have, a bit for each key. */
export const REQUIRED_KEYS: readonly number[] = DMA_KINDS.map(({ needs }) =>
  needs.flatMap((field) => KEYS_OF_FIELD[field]).reduce((bits, key) => bits | (1 << key), 0),
);

/** What the kernel prints last of each kind, as a bit: attributes, also if there are none, or a list; 0 if that is a number. */
export const LAST_KEYS: readonly number[] = DMA_KINDS.map(({ needs, may }) => {
  const last = (["attributes", "entries"] as const).find((field) => [...needs, ...may].includes(field));
  return last === undefined ? 0 : 1 << KEYS_OF_FIELD[last][0]!;
});
