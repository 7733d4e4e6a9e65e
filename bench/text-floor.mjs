/**
 * The floor of reading text: a loop over its bytes that finds the ends of lines and of words with `=`, and reads the
 * digits after these. It knows no event, no device and no time.
 *
 * @module
 */

import { check, cpuNs } from "./harness.mjs";

const NEWLINE = 0x0a;
const EQUALS = 0x3d;

/** Value of a hexadecimal digit; 255 for every other byte. */
const DIGIT = new Uint8Array(256).fill(255);
for (let digit = 0; digit < 16; digit++) DIGIT["0123456789abcdef".charCodeAt(digit)] = digit;

function readDigits(bytes, counts) {
  let lines = 0;
  let sum = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === NEWLINE) lines++;
    else if (byte === EQUALS) {
      let value = 0;
      for (let digit = DIGIT[bytes[at + 1]]; digit < 16; digit = DIGIT[bytes[++at + 1]])
        value = (value << 4) | digit;
      sum ^= value;
    }
  }
  counts.lines = lines;
  counts.sum = sum;
}

/** Nanoseconds of a line. @returns {import("./harness.mjs").Floor} */
export const textFloor = () => ({
  setup: (bytes) => ({ bytes, lines: 0, sum: 0 }),
  run: (state) => {
    const ns = cpuNs(() => readDigits(state.bytes, state));
    check(state.lines > 1e5, "no lines");
    return ns / state.lines;
  },
});
