import { IommuError } from "../../base/errors.ts";
import { DMA_EVENT_NAMES } from "../../formats/trace/dma-kinds.ts";
import { compileExpression, filterError } from "./expression.ts";
import type { Filter, FilterFields } from "./fields.ts";
import { type DmaFilter, dmaFields, findDmaKinds } from "./linux-fields.ts";
import { findTraceEvents, isOneOf, TRACE_EVENT_NAMES, type TraceFilter, traceFields } from "./qemu-fields.ts";

/** What a filter takes of a trace of QEMU and of a recording of Linux; undefined if it names no event of theirs. */
export interface CompiledFilter {
  readonly trace: TraceFilter | undefined;
  readonly dma: DmaFilter | undefined;
}

/** Longer filters are no filters, and deeper parentheses neither. */
const MAX_LENGTH = 4096;

/**
 * Reads a filter in the grammar of trace-cmd: names of events with commas
 * between them, a colon, and an expression; see `compileExpression`.
 *
 *     pci_put: liobn == 0x80000000 && ioba >= 0x800000000000000
 *     dma_map_*: device == "0000:00:03.0" && dir == FROM_DEVICE && size > 4096
 *
 * Without an expression all events of the names are taken; `*` at the end of a
 * name stands for anything.
 *
 * @throws IommuError BAD_ARGUMENT with the column of the first mistake
 */
export function compileFilter(text: string): CompiledFilter {
  if (text.length > MAX_LENGTH) throw new IommuError("BAD_ARGUMENT", `a filter of ${text.length} characters`);
  const colon = text.indexOf(":");
  const names = namesOf(colon < 0 ? text : text.slice(0, colon));
  const matches = (name: string): boolean => names.some((pattern) => isMatch(pattern.name, name));
  const schemas = findTraceEvents(matches);
  const kinds = findDmaKinds(matches);
  for (const { name, at } of names) {
    const known = (other: string): boolean => isMatch(name, other);
    if (findTraceEvents(known).length + findDmaKinds(known).length === 0) throw unknownEvent(name, at);
  }
  const expression = colon < 0 ? undefined : { text, at: colon + 1 };
  const kindSet = new Set(kinds);
  const trace = join(schemas.length, isOneOf(schemas), expression, () => traceFields(schemas));
  const dma = join<Parameters<DmaFilter>[0], Parameters<DmaFilter>[1]>(
    kinds.length,
    ({ kind }) => kindSet.has(kind),
    expression,
    () => dmaFields(kinds),
  );
  // Names such as `*` are of both systems: the fields say which is meant.
  if (trace instanceof IommuError && (dma === undefined || dma instanceof IommuError)) throw trace;
  if (dma instanceof IommuError && trace === undefined) throw dma;
  return {
    trace: trace instanceof IommuError ? undefined : trace,
    dma: dma instanceof IommuError ? undefined : dma,
  };
}

interface NamePattern {
  readonly name: string;
  /** Where it begins in the filter. */
  readonly at: number;
}

function namesOf(text: string): NamePattern[] {
  let at = 0;
  return text.split(",").map((part) => {
    const name = part.trim();
    const found = { name, at: at + part.length - part.trimStart().length };
    at += part.length + 1;
    return found;
  });
}

const isMatch = (pattern: string, name: string): boolean =>
  pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;

/** A filter of events of one system: none if none are named, and the mistake if the expression has one. */
function join<Event, Context>(
  events: number,
  isNamed: Filter<Event, Context>,
  expression: { readonly text: string; readonly at: number } | undefined,
  fields: () => FilterFields<Event, Context>,
): Filter<Event, Context> | IommuError | undefined {
  if (events === 0) return undefined;
  if (expression === undefined) return isNamed;
  try {
    const fulfils = compileExpression(expression.text, expression.at, fields());
    return (event, context) => isNamed(event, context) && fulfils(event, context);
  } catch (error) {
    if (error instanceof IommuError) return error;
    throw error;
  }
}

function unknownEvent(name: string, at: number): IommuError {
  const known = [...TRACE_EVENT_NAMES, ...DMA_EVENT_NAMES].join(", ");
  return filterError(at, `no event is named "${name}"; there are ${known}`);
}
