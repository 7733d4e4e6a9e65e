import { IommuError } from "../../base/errors.ts";
import type { DmaNames, LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { DMA_LOST } from "../../formats/trace/dma-kinds.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { compileFilter } from "./event-filter.ts";

/** An event is taken if this says so. */
export interface EventFilter {
  qemu(event: QemuTraceEvent): boolean;
  linux(event: LinuxDmaEvent, names: DmaNames): boolean;
}

/**
 * Filters in the grammar of trace-cmd: an event is taken if one of them takes it, and all are if there is none.
 * Events that say that others are missing are always taken.
 *
 * @throws IommuError BAD_ARGUMENT for a filter that does not read as one; the
 * filter throws UNSUPPORTED at an event of a system of which no filter names any
 */
export function filterOf(filter: string | readonly string[]): EventFilter | undefined {
  const texts = typeof filter === "string" ? [filter] : filter;
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
