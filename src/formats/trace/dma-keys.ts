import {
  DMA_ALLOC,
  DMA_ALLOC_PAGES,
  DMA_ALLOC_SGT,
  DMA_EVENT_NAMES,
  DMA_FREE,
  DMA_FREE_PAGES,
  DMA_FREE_SGT,
  DMA_MAP_PAGE,
  DMA_MAP_PHYS,
  DMA_MAP_RESOURCE,
  DMA_MAP_SG,
  DMA_SYNC_SG_FOR_CPU,
  DMA_SYNC_SG_FOR_DEVICE,
  DMA_SYNC_SINGLE_FOR_CPU,
  DMA_SYNC_SINGLE_FOR_DEVICE,
  DMA_UNMAP_PAGE,
  DMA_UNMAP_PHYS,
  DMA_UNMAP_RESOURCE,
  DMA_UNMAP_SG,
} from "./dma-event.ts";
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
const KEY_IGNORED = 14;

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

/** What each kind must have, a bit for each key. */
export const REQUIRED_KEYS: readonly number[] = requirements();

function requirements(): number[] {
  const bits = (...keys: number[]): number => keys.reduce((sum, key) => sum | (1 << key), 0);
  const required = DMA_EVENT_NAMES.map(() => 0);
  for (const kind of [DMA_MAP_PAGE, DMA_MAP_PHYS, DMA_MAP_RESOURCE]) {
    required[kind] = bits(KEY_DIRECTION, KEY_DMA_ADDRESS, KEY_SIZE, KEY_PHYS_ADDRESS);
  }
  for (const kind of [DMA_UNMAP_PAGE, DMA_UNMAP_PHYS, DMA_UNMAP_RESOURCE]) {
    required[kind] = bits(KEY_DIRECTION, KEY_DMA_ADDRESS, KEY_SIZE);
  }
  const single = [DMA_SYNC_SINGLE_FOR_CPU, DMA_SYNC_SINGLE_FOR_DEVICE];
  for (const kind of [DMA_ALLOC, DMA_ALLOC_PAGES, DMA_FREE, DMA_FREE_PAGES, DMA_FREE_SGT, ...single]) {
    required[kind] = bits(KEY_DMA_ADDRESS, KEY_SIZE);
  }
  required[DMA_ALLOC_SGT] = bits(KEY_DMA_ADDRESS, KEY_SIZE, KEY_PHYS_LIST);
  required[DMA_MAP_SG] = bits(KEY_DIRECTION, KEY_DMA_LIST, KEY_SIZE_LIST, KEY_PHYS_LIST);
  required[DMA_UNMAP_SG] = bits(KEY_DIRECTION, KEY_PHYS_LIST);
  required[DMA_SYNC_SG_FOR_CPU] = bits(KEY_DMA_LIST, KEY_SIZE_LIST);
  required[DMA_SYNC_SG_FOR_DEVICE] = bits(KEY_DMA_LIST, KEY_SIZE_LIST);
  return required;
}
