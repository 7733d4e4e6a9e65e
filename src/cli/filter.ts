import { IommuError } from "../base/errors.ts";
import { compileFilter } from "../check/filter/event-filter.ts";
import type { EventFilter } from "../check/trace-check.ts";
import { DMA_LOST } from "../formats/trace/dma-kinds.ts";

/**
 * The filters of the command line: an event is taken if one of them takes it.
 * Events that say that others are missing are always taken.
 *
 * @throws IommuError BAD_ARGUMENT for a filter that does not read as one; the
 * filter throws UNSUPPORTED at an event of a system of which no filter names any
 */
export function filterOf(texts: readonly string[]): EventFilter | undefined {
  if (texts.length === 0) return undefined;
  const compiled = texts.map(compileFilter);
  const traces = compiled.flatMap(({ trace }) => trace ?? []);
  const dmas = compiled.flatMap(({ dma }) => dma ?? []);
  return {
    qemu: (event) => {
      if (traces.length === 0) throw wrongSystem("Linux", "QEMU");
      return traces.some((filter) => filter(event, undefined));
    },
    linux: (event, names) => {
      if (dmas.length === 0) throw wrongSystem("QEMU", "Linux");
      return event.kind === DMA_LOST || dmas.some((filter) => filter(event, names));
    },
  };
}

const wrongSystem = (named: string, recorded: string): IommuError =>
  new IommuError(
    "UNSUPPORTED",
    `the filters name events of ${named}, and this is a recording of ${recorded}`,
  );
