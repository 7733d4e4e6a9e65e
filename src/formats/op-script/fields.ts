/**
 * Readers of the fields of a script's lines. Each names file, line, column and
 * value when a field is not what it should be. `key` is the member of the line
 * that holds the value, `name` what a message calls it if it lies deeper.
 *
 * @module
 */

import type { JsonLine } from "../json-lines.ts";

/** A value as a message shows it: as JSON, and not all of a long one. */
export const show = (value: unknown): string =>
  value === undefined ? "nothing" : (JSON.stringify(value) ?? "nothing").slice(0, 60);

/** A 64-bit value: a hexadecimal string, or a whole number below 2^53. */
export function u64(
  line: JsonLine,
  key: string,
  value: unknown = line.value[key],
  name: string = key,
): bigint {
  if (typeof value === "string" && /^0[xX][0-9a-fA-F]{1,16}$/.test(value)) return BigInt(value);
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw line.error(key, `"${name}" is ${show(value)}: expected a 64-bit value such as "0x80000000"`);
}

/** A value that is not the member itself, but lies in it. */
interface Field {
  readonly value: unknown;
  /** What a message calls it. */
  readonly name: string;
}

/** A whole number within limits. */
export function whole(
  line: JsonLine,
  key: string,
  min: number,
  max: number,
  { value, name }: Field = { value: line.value[key], name: key },
): number {
  const number = typeof value === "string" && /^0[xX][0-9a-fA-F]{1,13}$/.test(value) ? Number(value) : value;
  if (typeof number === "number" && Number.isInteger(number) && number >= min && number <= max) return number;
  throw line.error(key, `"${name}" is ${show(value)}: expected a whole number from ${min} to ${max}`);
}

export function text(line: JsonLine, key: string): string {
  const value = line.value[key];
  if (typeof value === "string") return value;
  throw line.error(key, `"${key}" is ${show(value)}: expected a string`);
}

/** Bytes as pairs of hexadecimal digits. */
export function hexBytes(line: JsonLine, key: string, max: number): Uint8Array {
  const value = line.value[key];
  if (typeof value !== "string" || !/^(?:[0-9a-fA-F]{2})*$/.test(value) || value.length > max * 2) {
    throw line.error(
      key,
      `"${key}" is ${show(value)}: expected up to ${max} bytes as pairs of hexadecimal digits`,
    );
  }
  const bytes = new Uint8Array(value.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(value.slice(i * 2, i * 2 + 2), 16);
  return bytes;
}

/** Bytes as pairs of lower-case hexadecimal digits. */
export const toHexBytes = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** A list, each item read by `item`; an absent list is empty. */
export function list<T>(line: JsonLine, key: string, max: number, item: (value: unknown) => T): T[] {
  const value = line.value[key] ?? [];
  if (!Array.isArray(value) || value.length > max) {
    throw line.error(key, `"${key}" is ${show(value)}: expected a list of at most ${max}`);
  }
  return value.map(item);
}
