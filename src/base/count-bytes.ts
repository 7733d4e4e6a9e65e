/** Lowest bits of four bytes, and all but the highest ones. */
const [ONES, LOW] = [0x0101_0101, 0x7f7f_7f7f];
/** Words whose counts fit into a byte. */
const WORDS = 255;

/** How often a byte occurs; four bytes are looked at together. */
export function countBytes(bytes: Uint8Array, wanted: number): number {
  const { buffer, byteOffset, length } = bytes;
  if (length < 8) return countOneByOne(bytes, 0, length, wanted);
  const head = -byteOffset & 3;
  const words = new Int32Array(buffer, byteOffset + head, (length - head) >> 2);
  const pattern = Math.imul(wanted, ONES);
  let count = countOneByOne(bytes, 0, head, wanted);
  for (let at = 0; at < words.length; ) {
    const end = Math.min(words.length, at + WORDS);
    let sums = 0;
    for (; at < end; at++) {
      const other = words[at]! ^ pattern;
      // The highest bit of each byte that is not the wanted one.
      const differs = ((other & LOW) + LOW) | other;
      sums = (sums + ((~differs >>> 7) & ONES)) | 0;
    }
    count += (sums & 0xff) + ((sums >>> 8) & 0xff) + ((sums >>> 16) & 0xff) + (sums >>> 24);
  }
  return count + countOneByOne(bytes, head + words.length * 4, length, wanted);
}

function countOneByOne(bytes: Uint8Array, from: number, end: number, wanted: number): number {
  let count = 0;
  for (let at = from; at < end; at++) if (bytes[at] === wanted) count++;
  return count;
}
