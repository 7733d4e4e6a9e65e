import { hiOf, loOf } from "../../base/u64.ts";
import type { Filter, FilterField, ListField, NumberField, TextField } from "./fields.ts";
import { compilePattern } from "./pattern.ts";

/** Comparisons of numbers. `&`: do they share a bit? */
export const NUMBER_OPERATORS = ["==", "!=", "<=", ">=", "<", ">", "&"] as const;
/** Comparisons of texts: `~` with a pattern of the kernel's filters, `=~` and `!~` with trace-cmd's. */
export const TEXT_OPERATORS = ["==", "!=", "=~", "!~", "~"] as const;
export type NumberOperator = (typeof NUMBER_OPERATORS)[number];
export type TextOperator = (typeof TEXT_OPERATORS)[number];

/** Sign of the high half. */
const SIGN = 0x8000_0000;

/** Does a number in halves fulfil a comparison? */
type Test = (hi: number, lo: number) => boolean;

/** Compares a field, or any value of one that is a list, with a number. */
export function compareNumber<Event, Context>(
  field: NumberField<Event> | ListField<Event>,
  operator: NumberOperator,
  value: bigint,
): Filter<Event, Context> {
  const test = testOf(operator, value, field.type === "number" && field.signed);
  if (field.type === "number") return (event) => test(field.hi(event), field.lo(event));
  return (event) => {
    const { words, length } = field.list(event);
    for (let i = 0; i < length; i++) if (test(words[i * 2]!, words[i * 2 + 1]!)) return true;
    return false;
  };
}

function testOf(operator: NumberOperator, value: bigint, signed: boolean): Test {
  const hi = hiOf(value);
  const lo = loOf(value);
  // With its sign turned, a signed number is compared as an unsigned one.
  const turn = signed ? SIGN : 0;
  const limit = (hi ^ turn) >>> 0;
  const same: Test = (otherHi, otherLo) => otherHi === hi && otherLo === lo;
  const below: Test = (otherHi, otherLo) => {
    const turned = (otherHi ^ turn) >>> 0;
    return turned < limit || (turned === limit && otherLo < lo);
  };
  switch (operator) {
    case "==":
      return same;
    case "!=":
      return (otherHi, otherLo) => !same(otherHi, otherLo);
    case "<":
      return below;
    case "<=":
      return (otherHi, otherLo) => below(otherHi, otherLo) || same(otherHi, otherLo);
    case ">":
      return (otherHi, otherLo) => !below(otherHi, otherLo) && !same(otherHi, otherLo);
    case ">=":
      return (otherHi, otherLo) => !below(otherHi, otherLo);
    case "&":
      return (otherHi, otherLo) => ((otherHi & hi) | (otherLo & lo)) !== 0;
  }
}

/**
 * Compares a text with another one, or with a pattern.
 *
 * @throws SyntaxError for an expression of `=~` or `!~` that is none, or that only backtracking can match (`\1`, `(?=`)
 */
export function compareText<Event, Context>(
  field: TextField<Event, Context>,
  operator: TextOperator,
  value: string,
): Filter<Event, Context> {
  if (operator === "==") return (event, context) => field.text(event, context) === value;
  if (operator === "!=") return (event, context) => field.text(event, context) !== value;
  const pattern = compilePattern(operator === "~" ? globPattern(value) : value);
  const matches: Filter<Event, Context> = (event, context) => {
    const text = field.text(event, context);
    return text !== undefined && pattern.test(text);
  };
  return operator === "!~" ? (event, context) => !matches(event, context) : matches;
}

/** Is there anything: a number or a value that is not 0, a text that is not empty? */
export function isSet<Event, Context>(field: FilterField<Event, Context>): Filter<Event, Context> {
  if (field.type !== "text") return compareNumber(field, "!=", 0n);
  return (event, context) => (field.text(event, context) ?? "") !== "";
}

/** `*`, `?` and `[a-z]` as in the kernel's filters; everything else is itself. */
function globPattern(glob: string): string {
  const source = glob.replace(/\[!?[^\]]+\]|[\\^$.*+?()[\]{}|]/g, (part) =>
    part.length > 1 ? classPattern(part) : wildcard(part),
  );
  return `(?s)^(?:${source})$`;
}

const wildcard = (character: string): string =>
  character === "*" ? ".*" : character === "?" ? "." : `\\${character}`;

/** `[!a-z]` and its like. */
function classPattern(text: string): string {
  const not = text.startsWith("[!");
  const inside = text.slice(not ? 2 : 1, -1).replace(/[\\^]/g, "\\$&");
  return `[${not ? "^" : ""}${inside}]`;
}
