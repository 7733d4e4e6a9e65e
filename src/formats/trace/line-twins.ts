import { LineCopy } from "./line-copy.ts";
import { LinePrefix } from "./line-prefix.ts";

const NEWLINE = 0x0a;
const SPACE = 0x20;
const COLON = 0x3a;

/** A line of a text that names an event of ours. */
const NAMES_EVENT = /\bspapr_iommu_\w+ |\bdma_\w+[:(]/;
/** Lines in which it is looked whether all come in pairs, and different pairs that show it. */
const LOOKED_AT = 64;
const PAIRS = 3;

const TEXT = new TextDecoder("latin1");

/**
 * Lines that stand twice, one behind the other, since two of QEMU's trace backends or two `tee` wrote them to one file.
 * They may differ in what a logger put before them.
 */
export class LineTwins {
  /** Lines that were the second of their kind. */
  count = 0;
  readonly #prefix = new LinePrefix();
  readonly #last = new LineCopy();

  /** Is a line, of which a line end follows, the second one? */
  isSecond(bytes: Uint8Array, start: number, end: number): boolean {
    const from = this.#prefix.skip(bytes, start, end);
    const last = this.#last;
    const isSecond = last.length > 0 && from < end && isEnd(last.bytes, last.length, bytes, from, end);
    last.length = 0;
    if (isSecond) this.count++;
    else last.add(bytes, from, end);
    return isSecond;
  }
}

/** Does each line that names an event stand twice in a piece of a text? Not for a few, nor if all say the same. */
export function areTwins(bytes: Uint8Array): boolean {
  const lines = TEXT.decode(bytes)
    .split("\n")
    .filter((line) => NAMES_EVENT.test(line))
    .slice(0, LOOKED_AT);
  const twins = new LineTwins();
  const seen = new Set<string>();
  for (let i = 0; i + 1 < lines.length; i += 2) {
    if (isSecondText(twins, lines[i]!) || !isSecondText(twins, lines[i + 1]!)) return false;
    seen.add(lines[i]!);
  }
  return seen.size >= PAIRS;
}

const isSecondText = (twins: LineTwins, text: string): boolean => {
  const bytes = Uint8Array.from(`${text}\n`, (letter) => letter.charCodeAt(0));
  return twins.isSecond(bytes, 0, bytes.length - 1);
};

/** Are two texts the same, but for what one of them has before it: one backend writes thread and time, the other does not? */
function isEnd(a: Uint8Array, length: number, b: Uint8Array, start: number, end: number): boolean {
  const shared = Math.min(length, end - start);
  for (let i = 1; i <= shared; i++) if (a[length - i] !== b[end - i]) return false;
  const before =
    length > shared ? a[length - shared - 1] : end - start > shared ? b[end - shared - 1] : NEWLINE;
  return before === NEWLINE || before === COLON || before === SPACE;
}
