/**
 * A font whose letters are all the same box, so that pages look the same whatever fonts and rasterizer a machine has.
 *
 * @module
 */

const EM = 1000;
const [ASCENT, DESCENT, ADVANCE] = [800, -200, 600];
/** Characters that it has: Latin, and the signs that the page uses. */
const RANGES = [
  [0x20, 0xff],
  [0x2000, 0x26ff],
];
/** Left, bottom, right and top of the box. */
const [LEFT, BOTTOM, RIGHT, TOP] = [60, 0, 540, 520];

const words = (...values) => {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [i, value] of values.entries()) bytes.writeUInt16BE(value & 0xffff, i * 2);
  return bytes;
};
const longs = (...values) => {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, i * 4);
  return bytes;
};
const padded = (bytes) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);

/** The bytes of the font, as TrueType. */
export function boxFont() {
  const codes = RANGES.flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, i) => first + i),
  );
  const glyphs = [Buffer.alloc(0), ...codes.map((code) => (code === 0x20 ? Buffer.alloc(0) : box()))];
  const offsets = [0];
  for (const { length } of glyphs) offsets.push(offsets.at(-1) + length);
  const tables = {
    "OS/2": os2(),
    cmap: cmap(),
    glyf: Buffer.concat(glyphs),
    head: Buffer.concat([
      longs(0x00010000, 0x00010000, 0, 0x5f0f3cf5),
      words(3, EM),
      longs(0, 0, 0, 0),
      words(0, DESCENT, ADVANCE, ASCENT, 0, 8, 2, 1, 0),
    ]),
    hhea: Buffer.concat([
      longs(0x00010000),
      words(ASCENT, DESCENT, 0, ADVANCE, 0, 0, ADVANCE, 1, 0, 0, 0, 0, 0, 0, 0, 1),
    ]),
    hmtx: Buffer.concat([words(ADVANCE, LEFT), words(...codes.map(() => LEFT))]),
    loca: longs(...offsets),
    maxp: Buffer.concat([longs(0x00010000), words(glyphs.length, 4, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)]),
    name: names(),
    post: Buffer.concat([longs(0x00030000, 0), words(-100, 50), longs(1, 0, 0, 0, 0)]),
  };
  return assembled(tables);
}

/** One contour of four points. */
const box = () =>
  padded(
    Buffer.concat([
      words(1, LEFT, BOTTOM, RIGHT, TOP, 3, 0),
      Buffer.from([1, 1, 1, 1]),
      words(LEFT, 0, RIGHT - LEFT, 0),
      words(BOTTOM, TOP - BOTTOM, 0, BOTTOM - TOP),
    ]),
  );

/** Which glyph a character has: format 4, a segment for each range. */
function cmap() {
  const segments = [...RANGES, [0xffff, 0xffff]];
  let glyph = 1;
  const deltas = RANGES.map(([first, last]) => {
    const delta = glyph - first;
    glyph += last - first + 1;
    return delta;
  });
  const count = segments.length;
  const search = 2 * 2 ** Math.floor(Math.log2(count));
  const body = Buffer.concat([
    words(count * 2, search, Math.log2(search / 2), count * 2 - search),
    words(...segments.map(([, last]) => last), 0),
    words(...segments.map(([first]) => first)),
    words(...deltas, 1),
    words(...segments.map(() => 0)),
  ]);
  const table = Buffer.concat([words(4, body.length + 6, 0), body]);
  return Buffer.concat([words(0, 1, 3, 1), longs(12), table]);
}

function os2() {
  const bytes = Buffer.alloc(96);
  const put = (at, ...values) => words(...values).copy(bytes, at);
  put(0, 4, ADVANCE, 400, 5, 0);
  // Panose of a font of one width, and that it is a regular one with these first and last characters.
  bytes.set([2, 0, 5, 9], 32);
  bytes.write("BOXF", 58, "latin1");
  put(62, 0x40, RANGES[0][0], RANGES.at(-1)[1], ASCENT, DESCENT, 0, ASCENT, -DESCENT);
  put(86, TOP, TOP, 0, 0x20, 1);
  return bytes;
}

function names() {
  const texts = [
    [1, "Box"],
    [2, "Regular"],
    [4, "Box Regular"],
    [6, "Box-Regular"],
  ].map(([id, text]) => [id, Buffer.from(text, "utf16le").swap16()]);
  const records = [];
  let at = 0;
  for (const [id, text] of texts) {
    records.push(words(3, 1, 0x409, id, text.length, at));
    at += text.length;
  }
  const head = words(0, texts.length, 6 + 12 * texts.length);
  return Buffer.concat([head, ...records, ...texts.map(([, text]) => text)]);
}

function assembled(tables) {
  const entries = Object.entries(tables);
  const count = entries.length;
  const search = 16 * 2 ** Math.floor(Math.log2(count));
  const records = [];
  let at = 12 + 16 * count;
  for (const [tag, bytes] of entries) {
    records.push(Buffer.from(tag, "latin1"), longs(checksum(padded(bytes)), at, bytes.length));
    at += padded(bytes).length;
  }
  const head = Buffer.concat([
    longs(0x00010000),
    words(count, search, Math.log2(search / 16), count * 16 - search),
  ]);
  return Buffer.concat([head, ...records, ...entries.map(([, bytes]) => padded(bytes))]);
}

function checksum(bytes) {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 4) sum = (sum + bytes.readUInt32BE(at)) >>> 0;
  return sum;
}
