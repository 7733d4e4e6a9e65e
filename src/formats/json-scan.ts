/**
 * Looks at JSON text without building values: what it is made of, where it is
 * broken, and where members stand.
 *
 * @module
 */

/** How deep objects and lists may lie in that of the line, so that walking over them is bounded. */
export const MAX_DEPTH = 64;

const QUOTE = 0x22;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
/** Sets the bit of lower-case letters: of `[` it makes `{`, of `]` `}`. */
const LOWER = 0x20;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const LETTER_E = 0x65;

/** What a JSON text is made of, outside of its strings. */
interface Survey {
  /** Members that are written: its colons. */
  readonly members: number;
  /** Levels of objects and lists below the first one. */
  readonly depth: number;
  /** May it have a number with a point or an exponent? */
  readonly hasFractions: boolean;
}

/** Looks over a text once, before anything is made of it. */
export function surveyOf(text: string): Survey {
  let members = 0;
  let hasFractions = false;
  let open = 0;
  let most = 0;
  let before = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const lower = code | LOWER;
    if (code === QUOTE) {
      for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) {
        if (text.charCodeAt(at) === BACKSLASH) at++;
      }
    } else if (code === COLON) members++;
    else if (lower === OPEN) most = Math.max(most, ++open);
    else if (lower === CLOSE) open--;
    // `e` after a digit is an exponent, others are those of true and false.
    else if (code === POINT || (lower === LETTER_E && before >= ZERO && before <= NINE)) hasFractions = true;
    before = code;
  }
  return { members, depth: most - 1, hasFractions };
}

/** Where a text is not what a line may be, counted from 0, and why. */
interface Problem {
  readonly at: number;
  readonly message: string;
}

/** The first place where a text is broken, if there is one. */
export function findProblem(text: string): Problem | undefined {
  try {
    new Scanner(text).document();
    return undefined;
  } catch (error) {
    if (error instanceof ScanProblem) return error;
    throw error;
  }
}

/** Columns, from 1, of the values of the outermost object's members. */
export const columnsOf = (text: string): Map<string, number> => new Scanner(text).columns();

class ScanProblem extends Error implements Problem {
  readonly at: number;

  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

/** Walks over JSON without building values; used only once something is wrong. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): void {
    this.#value(0);
    if (this.#peek() !== "") throw this.#expected("the end of the line");
  }

  columns(): Map<string, number> {
    const columns = new Map<string, number>();
    this.#peek();
    this.#object(0, (key) => {
      this.#peek();
      columns.set(key, this.#at + 1);
    });
    return columns;
  }

  /** The next character that is no white space, or nothing at the end. */
  #peek(): string {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? "")) this.#at++;
    return this.#text[this.#at] ?? "";
  }

  #take(expected: string): void {
    if (this.#peek() !== expected) throw this.#expected(`"${expected}"`);
    this.#at++;
  }

  /** The text goes on in another way than it should. */
  #expected(what: string, at: number = this.#at): ScanProblem {
    const code = this.#text.codePointAt(at);
    const found = code === undefined ? "the end of the line" : JSON.stringify(String.fromCodePoint(code));
    return new ScanProblem(at, `expected ${what}, found ${found}`);
  }

  #value(depth: number): void {
    const next = this.#peek();
    if (depth > MAX_DEPTH && (next === "{" || next === "["))
      throw this.#expected(`at most ${MAX_DEPTH} levels`);
    if (next === "{") this.#object(depth, () => {});
    else if (next === "[") this.#array(depth);
    else if (next === '"') this.#string();
    else this.#word();
  }

  #object(depth: number, onKey: (key: string) => void): void {
    this.#take("{");
    if (this.#peek() === "}") {
      this.#at++;
      return;
    }
    const columns = new Map<string, number>();
    for (;;) {
      this.#peek();
      const start = this.#at;
      const key = this.#string();
      const before = columns.get(key);
      if (before !== undefined) {
        const name = JSON.stringify(key).slice(0, 60);
        throw new ScanProblem(start, `member ${name} is repeated: column ${before} has it already`);
      }
      columns.set(key, start + 1);
      this.#take(":");
      onKey(key);
      this.#value(depth + 1);
      if (this.#peek() === "}") break;
      if (this.#peek() !== ",") throw this.#expected('"," or "}"');
      this.#at++;
    }
    this.#at++;
  }

  #array(depth: number): void {
    this.#take("[");
    if (this.#peek() === "]") {
      this.#at++;
      return;
    }
    for (;;) {
      this.#value(depth + 1);
      if (this.#peek() === "]") break;
      if (this.#peek() !== ",") throw this.#expected('"," or "]"');
      this.#at++;
    }
    this.#at++;
  }

  #string(): string {
    const start = this.#at;
    // The end is found by hand: an expression that repeats a choice overflows on a long string.
    let end = start + 1;
    while (end < this.#text.length && this.#text[end] !== '"') end += this.#text[end] === "\\" ? 2 : 1;
    try {
      const value: unknown = JSON.parse(this.#text.slice(start, end + 1));
      if (typeof value === "string") {
        this.#at = end + 1;
        return value;
      }
    } catch {
      // Below: no string, or one that is broken.
    }
    throw this.#expected("a string", start);
  }

  /** A number, `true`, `false` or `null`. */
  #word(): void {
    const pattern = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    pattern.lastIndex = this.#at;
    const word = pattern.exec(this.#text)?.[0];
    if (word === undefined) throw this.#expected("a value");
    if (isRounded(word))
      throw new ScanProblem(this.#at, `${word.slice(0, 60)} is not the whole number that it is read as`);
    this.#at += word.length;
  }
}

/** Does JSON make a whole number of one that has a fraction? */
function isRounded(word: string): boolean {
  const [, whole, fraction = "", exponent = "0"] =
    /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(word) ?? [];
  if (whole === undefined || !Number.isInteger(Number(word))) return false;
  const digits = whole + fraction;
  // So many digits stand after the point.
  const decimals = fraction.length - Number(exponent);
  return decimals > 0 && /[^0]/.test(digits.slice(-Math.min(decimals, digits.length)));
}
