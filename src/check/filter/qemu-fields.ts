import { ARGUMENTS, type ArgumentName, type QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { D32, D64, SCHEMAS, type TraceSchema } from "../../formats/trace/trace-schema.ts";
import { TRACE_PREFIX } from "../../spapr/trace-events.ts";
import type { Filter, FilterFields, NumberField } from "./fields.ts";

/** Takes an event of QEMU, or leaves it out. */
export type TraceFilter = Filter<QemuTraceEvent, undefined>;

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

/** What decides an event's kind, with its `pci_` variant. */
const keyOf = ({ kind, pci }: { readonly kind: number; readonly pci: boolean }): number =>
  kind * 2 + (pci ? 1 : 0);

/** Events of QEMU with a name, which may go without `spapr_iommu_`; none if it is no name of theirs. */
export function findTraceEvents(matches: (name: string) => boolean): readonly TraceSchema[] {
  return SCHEMAS.filter(({ name }) => matches(name) || matches(name.slice(TRACE_PREFIX.length)));
}

/** Names of all events of QEMU, as short as they may be written. */
export const TRACE_EVENT_NAMES: readonly string[] = SCHEMAS.map(({ name }) =>
  name.slice(TRACE_PREFIX.length),
);

/** Is an event one of these? */
export function isOneOf(schemas: readonly TraceSchema[]): TraceFilter {
  const keys = new Set(schemas.map(keyOf));
  return (event) => keys.has(keyOf(event));
}

/** The arguments of events of QEMU. */
export function traceFields(schemas: readonly TraceSchema[]): FilterFields<QemuTraceEvent, undefined> {
  const all = schemas.flatMap(({ fields }) => fields);
  const names = [...new Set(all.map(({ name }) => name))];
  return {
    names,
    find: (name) => {
      const alias = Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined;
      const argument = names.find((one) => one === (alias ?? name));
      return argument === undefined ? undefined : fieldOf(argument, schemas);
    },
  };
}

function fieldOf(argument: ArgumentName, schemas: readonly TraceSchema[]): NumberField<QemuTraceEvent> {
  const having = schemas.filter(({ fields }) => fields.some(({ name }) => name === argument));
  const types = having.flatMap(({ fields }) => fields.filter(({ name }) => name === argument));
  const has = isOneOf(having);
  const word = ARGUMENTS.indexOf(argument) * 2;
  return {
    type: "number",
    has: (event) => has(event, undefined),
    hi: ({ words }) => words[word]!,
    lo: ({ words }) => words[word + 1]!,
    signed: types.some(({ type }) => type === D64 || type === D32),
    words: {},
  };
}
