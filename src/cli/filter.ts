import { IommuError } from "../base/errors.ts";
import { compileFilter, type TraceFilter } from "../check/event-filter.ts";
import type { EventFilter } from "../check/trace-check.ts";

/**
 * The filters of the command line: an event is taken if one of them takes it.
 *
 * @throws IommuError BAD_ARGUMENT for a filter that does not read as one
 */
export function filterOf(texts: readonly string[]): EventFilter | undefined {
  if (texts.length === 0) return undefined;
  const filters: TraceFilter[] = texts.map((text) => compileFilter(text));
  return {
    trace: (event) => filters.some((filter) => filter(event)),
    dma: () => {
      throw new IommuError("UNSUPPORTED", "filters are for QEMU's events; this is a recording of Linux");
    },
  };
}
