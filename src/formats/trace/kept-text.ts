const SPACE = 0x20;

/**
 * A piece of a line that was read before, to find it again eight bytes at a time. Up to eleven bytes after a position
 * that is asked for can be read.
 *
 * Words are compared as floating-point numbers, which is exact: those of a text without control characters are never
 * zero, and a NaN equals nothing, so that such a text is only never found again.
 */
export class KeptText {
  readonly length: number;
  readonly #whole: Float64Array<ArrayBuffer>;
  // The up to 7 bytes after the whole words.
  readonly #mask1: number;
  readonly #rest1: number;
  readonly #mask2: number;
  readonly #rest2: number;

  /** The text in `[start, end)`, which {@link isPlain}. */
  constructor(view: DataView, start: number, end: number) {
    const length = end - start;
    const rest = length & 7;
    this.length = length;
    this.#whole = new Float64Array(length >>> 3);
    for (let i = 0; i < this.#whole.length; i++) this.#whole[i] = view.getFloat64(start + i * 8, true);
    this.#mask1 = maskOf(Math.min(rest, 4));
    this.#mask2 = maskOf(Math.max(rest - 4, 0));
    this.#rest1 = view.getInt32(end - rest, true) & this.#mask1;
    this.#rest2 = view.getInt32(end - rest + 4, true) & this.#mask2;
  }

  /** Where the text ends that begins at `at`, or -1 if that is another one. */
  endAt(view: DataView, at: number): number {
    const whole = this.#whole;
    let position = at;
    for (let i = 0; i < whole.length; i++, position += 8) {
      if (view.getFloat64(position, true) !== whole[i]) return -1;
    }
    if ((view.getInt32(position, true) & this.#mask1) !== this.#rest1) return -1;
    if ((view.getInt32(position + 4, true) & this.#mask2) !== this.#rest2) return -1;
    return at + this.length;
  }
}

/** Mask of the first bytes of a little-endian word of 32 bits. */
export const maskOf = (bytes: number): number => (bytes === 4 ? -1 : (1 << (bytes * 8)) - 1);

/** Has a text no control characters? */
export function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at]! < SPACE) return false;
  return true;
}
