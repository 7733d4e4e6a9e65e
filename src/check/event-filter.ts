import { IommuError } from "../base/errors.ts";
import { hiOf, loOf } from "../base/u64.ts";
import { ARGUMENTS, type ArgumentName, type TraceEvent } from "../formats/trace/trace-event.ts";
import { SCHEMAS } from "../formats/trace/trace-schema.ts";
import { TRACE_PREFIX } from "../spapr/trace-events.ts";

/** Takes an event, or leaves it out. Makes no object. */
export type TraceFilter = (event: TraceEvent) => boolean;

/** Names that QEMU's log has for arguments, where ours are others. */
const ALIASES: Readonly<Record<string, ArgumentName>> = {
  npages: "pages",
  tcelist: "list",
  tcevalue: "tce",
  iobaN: "last",
  tceN: "tce",
  bus_offset: "busOffset",
  ps: "pageShift",
  addr: "configAddress",
};

const TOKEN =
  /\s*(?:(0[xX][0-9a-fA-F]+|[0-9]+)|(-[0-9]+)|([A-Za-z_][A-Za-z0-9_]*)|(&&|\|\||[=!<>]=|[<>!()&]))/y;
/** Longer filters are no filters, and deeper parentheses neither. */
const MAX_LENGTH = 4096;

/**
 * Reads a filter in the grammar of trace-cmd: names of events with commas
 * between them, a colon, and an expression of comparisons with `&&`, `||`, `!`
 * and parentheses. `pci_put: liobn == 0x80000000 && ioba >= 0x800000000000000`.
 * A field alone means that it is not 0; `field & mask` that they share a bit.
 * Without an expression all events of the names are taken; `*` at the end of a
 * name stands for anything.
 *
 * @throws IommuError BAD_ARGUMENT with the column of the first mistake
 */
export function compileFilter(text: string): TraceFilter {
  if (text.length > MAX_LENGTH) throw new IommuError("BAD_ARGUMENT", `a filter of ${text.length} characters`);
  const colon = text.indexOf(":");
  const names = (colon < 0 ? text : text.slice(0, colon)).split(",").map((name) => name.trim());
  const kinds = new Set<number>();
  for (const name of names) for (const kind of kindsOf(name)) kinds.add(kind);
  const expression = colon < 0 ? undefined : new Parser(text, colon + 1).parse();
  return (event) =>
    kinds.has(event.kind * 2 + (event.pci ? 1 : 0)) && (expression === undefined || expression(event));
}

/** Kinds, doubled, with 1 added for the `pci_` variant. */
function kindsOf(name: string): number[] {
  const plain = name.startsWith(TRACE_PREFIX) ? name.slice(TRACE_PREFIX.length) : name;
  const matches = (whole: string): boolean => {
    const short = whole.slice(TRACE_PREFIX.length);
    return plain.endsWith("*") ? short.startsWith(plain.slice(0, -1)) : short === plain;
  };
  const found = SCHEMAS.filter((schema) => matches(schema.name));
  if (found.length === 0) {
    const known = SCHEMAS.map((schema) => schema.name.slice(TRACE_PREFIX.length)).join(", ");
    throw new IommuError("BAD_ARGUMENT", `filter: no event is named "${name}"; there are ${known}`, { name });
  }
  return found.map(({ kind, pci }) => kind * 2 + (pci ? 1 : 0));
}

/** A recursive descent over the tokens of an expression. */
class Parser {
  readonly #text: string;
  #at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
  }

  parse(): TraceFilter {
    const filter = this.#or();
    if (this.#text.slice(this.#at).trim() !== "") throw this.#error("&& or ||");
    return filter;
  }

  #or(): TraceFilter {
    let left = this.#and();
    while (this.#take("||")) {
      const first = left;
      const second = this.#and();
      left = (event) => first(event) || second(event);
    }
    return left;
  }

  #and(): TraceFilter {
    let left = this.#not();
    while (this.#take("&&")) {
      const first = left;
      const second = this.#not();
      left = (event) => first(event) && second(event);
    }
    return left;
  }

  #not(): TraceFilter {
    if (this.#take("!")) {
      const inner = this.#not();
      return (event) => !inner(event);
    }
    if (!this.#take("(")) return this.#comparison();
    const inner = this.#or();
    if (!this.#take(")")) throw this.#error('")"');
    return inner;
  }

  #comparison(): TraceFilter {
    const word = this.#field();
    for (const operator of ["==", "!=", "<=", ">=", "<", ">", "&"]) {
      if (operator === "&" && this.#peek() === "&&") break;
      if (this.#take(operator)) return comparison(operator, word, this.#number());
    }
    return comparison("!=", word, 0n);
  }

  #field(): number {
    const name = this.#next()?.[3];
    const field = ARGUMENTS.indexOf((ALIASES[name ?? ""] ?? name) as ArgumentName);
    if (field < 0) throw this.#error("a field of the event");
    this.#advance();
    return field * 2;
  }

  #number(): bigint {
    const match = this.#next();
    const text = match?.[1] ?? match?.[2];
    if (text === undefined) throw this.#error("a number");
    const value = BigInt(text);
    if (value >> 64n > 0n || value < -(1n << 63n)) throw this.#error("a number of 64 bits");
    this.#advance();
    return BigInt.asUintN(64, value);
  }

  #next(): RegExpExecArray | null {
    TOKEN.lastIndex = this.#at;
    return TOKEN.exec(this.#text);
  }

  #peek(): string | undefined {
    return this.#next()?.[4];
  }

  #advance(): void {
    this.#next();
    this.#at = TOKEN.lastIndex;
  }

  #take(operator: string): boolean {
    if (this.#peek() !== operator) return false;
    this.#advance();
    return true;
  }

  #error(expected: string): IommuError {
    const column = this.#at + 1;
    const found = this.#text.slice(this.#at).trim() || "the end";
    return new IommuError(
      "BAD_ARGUMENT",
      `filter, column ${column}: expected ${expected}, found "${found}"`,
      {
        column,
      },
    );
  }
}

/** Compares a field with a number, both unsigned; negative numbers are those of 64 bits. */
function comparison(operator: string, word: number, value: bigint): TraceFilter {
  const hi = hiOf(value);
  const lo = loOf(value);
  const below = ({ words }: TraceEvent): boolean =>
    words[word]! < hi || (words[word] === hi && words[word + 1]! < lo);
  const same = ({ words }: TraceEvent): boolean => words[word] === hi && words[word + 1] === lo;
  switch (operator) {
    case "==":
      return same;
    case "!=":
      return (event) => !same(event);
    case "<":
      return below;
    case "<=":
      return (event) => below(event) || same(event);
    case ">":
      return (event) => !below(event) && !same(event);
    case ">=":
      return (event) => !below(event);
    default:
      return ({ words }) => ((words[word]! & hi) | (words[word + 1]! & lo)) !== 0;
  }
}
