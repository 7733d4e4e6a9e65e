/**
 * Sizes and times as people write and read them.
 *
 * @module
 */

import { IommuError } from "./errors.ts";

const SUFFIXES = ["", "K", "M", "G", "T", "P", "E"];

/**
 * Reads a size or an address: `128T`, `64K`, `1048576`, `0x10000`. Suffixes are powers of 1024.
 *
 * @throws IommuError BAD_ARGUMENT if the text is none of these, or the value needs more than 64 bits
 * @public
 */
export function parseSize(text: string): bigint {
  const match = /^(?:(0[xX][0-9a-fA-F]+)|([0-9]+)([KMGTPE]?)(?:iB)?)$/.exec(text.trim());
  if (match === null) {
    throw new IommuError("BAD_ARGUMENT", `"${text}" is not a size: write 128T, 64K, 4096 or 0x1000`, {
      text,
    });
  }
  const value = match[1] !== undefined ? BigInt(match[1]) : BigInt(match[2]!) << scale(match[3]!);
  if (value >> 64n !== 0n) {
    throw new IommuError("BAD_ARGUMENT", `"${text}" does not fit into 64 bits`, { text });
  }
  return value;
}

const scale = (suffix: string): bigint => BigInt(SUFFIXES.indexOf(suffix) * 10);

/**
 * `128 TiB`, `1.5 GiB`, `512 B`: at most two digits after the point.
 *
 * @public
 */
export function formatSize(bytes: bigint | number): string {
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < SUFFIXES.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = Number.isInteger(value) ? String(value) : value.toFixed(2).replace(/\.?0+$/, "");
  return `${digits} ${SUFFIXES[unit]}${unit === 0 ? "" : "i"}B`;
}

/**
 * `2,147,483,648`: whole numbers with separators.
 *
 * @public
 */
export function formatCount(value: bigint | number): string {
  return value.toString().replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** `1 map`, `2,480 maps`, `2 patches`. */
export const counted = (count: number, what: string): string =>
  `${formatCount(count)} ${what}${count === 1 ? "" : /(?:ch|s)$/.test(what) ? "es" : "s"}`;

/**
 * `1.2 ns`, `35 us`, `4.1 s`, `2 min 5 s`.
 *
 * @public
 */
export function formatTime(seconds: number): string {
  if (seconds >= 120) {
    const whole = Math.round(seconds);
    return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  }
  for (const [unit, size] of [
    ["s", 1],
    ["ms", 1e-3],
    ["us", 1e-6],
  ] as const) {
    if (seconds >= size) return `${Number((seconds / size).toPrecision(3))} ${unit}`;
  }
  return `${Number((seconds * 1e9).toPrecision(3))} ns`;
}
