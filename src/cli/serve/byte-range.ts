/** A stretch of a file: from its first byte to its last one. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * The stretch that a `Range` header asks for, as RFC 9110 has it; the whole without one.
 *
 * @returns undefined if there is no such stretch, or it is more than one, or nothing that we understand
 */
export function rangeOf(header: string | undefined, size: number): ByteRange | undefined {
  if (header === undefined) return { first: 0, last: size - 1 };
  const [, from = "", to = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header) ?? [];
  if (from === "") return to === "" || Number(to) === 0 ? undefined : inside(size - Number(to), size, size);
  return inside(Number(from), to === "" ? size : Number(to) + 1, size);
}

function inside(from: number, end: number, size: number): ByteRange | undefined {
  const range = { first: Math.max(0, from), last: Math.min(size, end) - 1 };
  return range.first <= range.last ? range : undefined;
}
