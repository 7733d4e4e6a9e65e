/**
 * Position of the first byte that is not zero in `[from, end)`, or `end`.
 *
 * Eight words of 32 bits are tested at a time: an empty table passes at memory
 * speed. (64-bit floats would be faster to load, but -0 equals 0.)
 */
export function firstNonZero(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  const aligned = Math.min(end, from + (-(bytes.byteOffset + from) & 3));
  while (at < aligned && bytes[at] === 0) at++;
  if (at < aligned || at === end) return at;

  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (end - at) >>> 2);
  let word = 0;
  for (const last = words.length - 8; word <= last; word += 8) {
    const any =
      words[word]! |
      words[word + 1]! |
      words[word + 2]! |
      words[word + 3]! |
      words[word + 4]! |
      words[word + 5]! |
      words[word + 6]! |
      words[word + 7]!;
    if (any !== 0) break;
  }
  while (word < words.length && words[word] === 0) word++;

  at += word * 4;
  while (at < end && bytes[at] === 0) at++;
  return at;
}
