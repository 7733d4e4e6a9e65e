import { formatSize } from "../../base/units.ts";
import { visible } from "../../base/visible.ts";

/** Made once: a number's own `toLocaleString` makes one each time, which took a fifth of the page's time. */
const COUNTS = new Intl.NumberFormat("en");

export const countText = (value: number): string => COUNTS.format(value);

/** A time since the first event. */
export function secondsText(seconds: number): string {
  if (!Number.isFinite(seconds)) return "";
  if (seconds === 0) return "0 s";
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(1)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(3)} ms`;
  return `${seconds.toFixed(seconds < 100 ? 6 : 3)} s`;
}

/** Bytes of so many pages. */
export const pagesSize = (pages: number, pageShift: number): string =>
  formatSize(BigInt(Math.round(pages)) << BigInt(pageShift));

/** Text that came from a file: what would not show is written out. */
export const shown = (text: string): string => visible(text);

/** A size as one reads it, from bytes. */
export const bytesText = (bytes: bigint): string => formatSize(bytes);

/** An address in two parts: the zeros that it begins with, which are dimmed, and the rest. */
export function dimZeros(address: string): readonly [zeros: string, rest: string] {
  const [zeros] = /^0x0{0,15}/.exec(address)!;
  return [zeros, address.slice(zeros.length)];
}
