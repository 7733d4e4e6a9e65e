import type { Random } from "../helpers/random.ts";
import { concat } from "./trace-pieces.ts";

const DIGITS: readonly number[] = [...new TextEncoder().encode("0123456789abcdef")];
const NEWLINE = 0x0a;
/** Most changes of one input. */
const MAX_CHANGES = 12;

/** Damages a trace in a few places: digits, bits, lines that go, come twice or change places, pieces of other files. */
export function mutate(bytes: Uint8Array, others: readonly Uint8Array[], random: Random): Uint8Array {
  let out: Uint8Array = bytes.slice();
  for (let i = random.below(MAX_CHANGES); i >= 0 && out.length > 0; i--) {
    out = random.pick(CHANGES)(out, random, others);
  }
  return out;
}

/** Changes only decimal digits, so that what must be read to be looked at can mostly be read. */
export function mutateNumbers(bytes: Uint8Array, random: Random): Uint8Array {
  const out = bytes.slice();
  const isDecimal = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
  for (let i = random.below(MAX_CHANGES / 4); i >= 0; i--) {
    let at = random.below(out.length);
    while (at < out.length && !isDecimal(out[at]!)) at++;
    if (at < out.length) out[at] = 0x30 + random.below(10);
  }
  return out;
}

type Change = (bytes: Uint8Array, random: Random, others: readonly Uint8Array[]) => Uint8Array;

/** Of hexadecimal numbers in lower case. */
const isDigit = (byte: number): boolean => (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66);

/** Another digit in the place of a digit. */
const changeDigit: Change = (bytes, random) => {
  const start = random.below(bytes.length);
  let at = start;
  while (at < bytes.length && !isDigit(bytes[at]!)) at++;
  if (at < bytes.length) bytes[at] = random.pick(DIGITS);
  return bytes;
};

/** The largest digit many times: huge numbers. */
const hugeNumber: Change = (bytes, random) => {
  const start = random.below(bytes.length);
  for (let at = start; at < start + 16 && at < bytes.length; at++) {
    if (isDigit(bytes[at]!)) bytes[at] = 0x66;
  }
  return bytes;
};

const flipBit: Change = (bytes, random) => {
  bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
  return bytes;
};

const anyByte: Change = (bytes, random) => {
  bytes[random.below(bytes.length)] = random.below(256);
  return bytes;
};

/** Bounds of the line at a place, with its end. */
function lineAt(bytes: Uint8Array, at: number): readonly [number, number] {
  const start = bytes.lastIndexOf(NEWLINE, Math.max(0, at - 1)) + 1;
  const newline = bytes.indexOf(NEWLINE, at);
  return [Math.min(start, at), newline < 0 ? bytes.length : newline + 1];
}

const dropLine: Change = (bytes, random) => {
  const [start, end] = lineAt(bytes, random.below(bytes.length));
  return concat([bytes.subarray(0, start), bytes.subarray(end)]);
};

/** A line once more, elsewhere. */
const copyLine: Change = (bytes, random) => {
  const [start, end] = lineAt(bytes, random.below(bytes.length));
  const [to] = lineAt(bytes, random.below(bytes.length));
  return concat([bytes.subarray(0, to), bytes.subarray(start, end), bytes.subarray(to)]);
};

const cutOut: Change = (bytes, random) => {
  const start = random.below(bytes.length);
  return concat([bytes.subarray(0, start), bytes.subarray(start + random.below(64))]);
};

const splice: Change = (bytes, random, others) => {
  const other = random.pick(others);
  const start = random.below(other.length);
  const at = random.below(bytes.length);
  return concat([
    bytes.subarray(0, at),
    other.subarray(start, start + random.below(300)),
    bytes.subarray(at),
  ]);
};

const CHANGES: readonly Change[] = [
  changeDigit,
  changeDigit,
  changeDigit,
  hugeNumber,
  flipBit,
  anyByte,
  dropLine,
  copyLine,
  cutOut,
  splice,
];
