import { IommuError } from "../../base/errors.ts";
import {
  compareNumber,
  compareText,
  isSet,
  NUMBER_OPERATORS,
  type NumberOperator,
  TEXT_OPERATORS,
} from "./comparison.ts";
import type { Filter, FilterField, FilterFields } from "./fields.ts";

const BLANK = /\s*/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
/** Longer operators first, so that none is taken for the start of another. */
const OPERATOR = /&&|\|\||[=!<>]=|=~|!~|[<>!()&~]/y;
const NUMBER = /0[xX][0-9a-fA-F]+(?![A-Za-z0-9_.])|-?[0-9]+(?![A-Za-z0-9_.])/y;
/** In quotes, or up to what can follow a value. */
const TEXT = /"([^"]*)"|'([^']*)'|([^\s()&|"']+)/y;

/**
 * Compiles an expression of comparisons with `&&`, `||`, `!` and parentheses,
 * as the kernel and trace-cmd have it. A field alone means that it is not 0;
 * `field & mask` that they share a bit. An event that does not have a field
 * fulfils no comparison with it.
 *
 * @param text the whole filter; the expression begins at `at`
 * @throws IommuError BAD_ARGUMENT with the column of the first mistake
 */
export function compileExpression<Event, Context>(
  text: string,
  at: number,
  fields: FilterFields<Event, Context>,
): Filter<Event, Context> {
  return new ExpressionParser(text, at, fields).parse();
}

/** A mistake at an index of the text of a filter; columns count from 1. */
export const filterError = (at: number, message: string): IommuError =>
  new IommuError("BAD_ARGUMENT", `filter, column ${at + 1}: ${message}`, { column: at + 1 });

/** A recursive descent over the tokens of an expression. */
class ExpressionParser<Event, Context> {
  readonly #text: string;
  readonly #fields: FilterFields<Event, Context>;
  #at: number;

  constructor(text: string, at: number, fields: FilterFields<Event, Context>) {
    this.#text = text;
    this.#at = at;
    this.#fields = fields;
  }

  parse(): Filter<Event, Context> {
    const filter = this.#or();
    this.#skipBlanks();
    if (this.#at < this.#text.length) throw this.#expected("&& or ||");
    return filter;
  }

  #or(): Filter<Event, Context> {
    let left = this.#and();
    while (this.#take("||")) {
      const first = left;
      const second = this.#and();
      left = (event, context) => first(event, context) || second(event, context);
    }
    return left;
  }

  #and(): Filter<Event, Context> {
    let left = this.#not();
    while (this.#take("&&")) {
      const first = left;
      const second = this.#not();
      left = (event, context) => first(event, context) && second(event, context);
    }
    return left;
  }

  #not(): Filter<Event, Context> {
    if (this.#take("!")) {
      const inner = this.#not();
      return (event, context) => !inner(event, context);
    }
    if (!this.#take("(")) return this.#comparison();
    const inner = this.#or();
    if (!this.#take(")")) throw this.#expected('")"');
    return inner;
  }

  #comparison(): Filter<Event, Context> {
    this.#skipBlanks();
    const at = this.#at;
    const name = this.#match(NAME)?.[0];
    if (name === undefined) throw this.#expected("a field of the event");
    const field = this.#fields.find(name);
    if (field === undefined) {
      const known = this.#fields.names.join(", ");
      throw filterError(at, `no field "${name}" in the events of this filter, which have ${known}`);
    }
    const compare = this.#operation(field);
    return (event, context) => field.has(event) && compare(event, context);
  }

  /** What stands after a field: an operator and a value, or nothing. */
  #operation(field: FilterField<Event, Context>): Filter<Event, Context> {
    this.#skipBlanks();
    const at = this.#at;
    const operator = this.#peek();
    if (operator === undefined || operator === "&&" || operator === "||" || operator === ")") {
      return isSet(field);
    }
    this.#match(OPERATOR);
    if (field.type !== "text") {
      const known = NUMBER_OPERATORS.find((one) => one === operator);
      if (known === undefined) throw filterError(at, `"${operator}" does not compare numbers`);
      return this.#numberOperation(field, known);
    }
    const known = TEXT_OPERATORS.find((one) => one === operator);
    if (known === undefined) throw filterError(at, `"${operator}" does not compare texts`);
    this.#skipBlanks();
    const valueAt = this.#at;
    const match = this.#match(TEXT);
    if (match === null) throw this.#expected("a text");
    try {
      return compareText(field, known, match[1] ?? match[2] ?? match[3]!);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw filterError(valueAt, error.message);
    }
  }

  #numberOperation(
    field: Exclude<FilterField<Event, Context>, { type: "text" }>,
    operator: NumberOperator,
  ): Filter<Event, Context> {
    this.#skipBlanks();
    const at = this.#at;
    const digits = this.#match(NUMBER)?.[0];
    if (digits !== undefined) {
      const value = BigInt(digits);
      if (value >> 64n > 0n || value < -(1n << 63n))
        throw filterError(at, `${digits} is no number of 64 bits`);
      return compareNumber(field, operator, BigInt.asUintN(64, value));
    }
    const words = field.type === "number" ? field.words : {};
    const word = this.#match(NAME)?.[0];
    const value = word !== undefined && Object.hasOwn(words, word) ? words[word] : undefined;
    if (value !== undefined) return compareNumber(field, operator, BigInt(value));
    this.#at = at;
    throw this.#expected(["a number", ...Object.keys(words)].join(", "));
  }

  /** The operator that comes next, if one does. */
  #peek(): string | undefined {
    this.#skipBlanks();
    OPERATOR.lastIndex = this.#at;
    return OPERATOR.exec(this.#text)?.[0];
  }

  #take(operator: string): boolean {
    if (this.#peek() !== operator) return false;
    this.#at += operator.length;
    return true;
  }

  #skipBlanks(): void {
    this.#match(BLANK);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }

  #expected(what: string): IommuError {
    this.#skipBlanks();
    const found = this.#text.slice(this.#at).trim() || "the end";
    return filterError(this.#at, `expected ${what}, found "${found}"`);
  }
}
