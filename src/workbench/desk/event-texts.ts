import { hex, toBig } from "../../base/u64.ts";
import { HEAD_BYTES } from "../../check/whole/input-kind.ts";
import { openInput } from "../../formats/input/opened-input.ts";
import type { ByteFile } from "../../formats/migration/source.ts";
import { traceSteps } from "../../formats/recording/read-trace.ts";
import {
  DIRECTION_NAMES,
  type DmaNames,
  type HalvesList,
  type LinuxDmaEvent,
} from "../../formats/trace/dma-event.ts";
import { DMA_KINDS, DMA_LOST, LIST } from "../../formats/trace/dma-kinds.ts";
import type { QemuTraceEvent } from "../../formats/trace/trace-event.ts";
import { D32, D64, findSchema, U32 } from "../../formats/trace/trace-schema.ts";
import { TraceSource } from "../../formats/trace/trace-source.ts";
import type { FileLine } from "../protocol.ts";
import { CountedFile } from "./counted-file.ts";
import type { EventRows } from "./event-rows.ts";

/** Ranges of a list that are written out. */
const MAX_RANGES = 8;

/** Writes out events of a recording that is no text, by reading it again up to there. */
export class EventTexts {
  readonly #file: ByteFile;
  readonly #name: string;

  constructor(file: ByteFile, name: string) {
    this.#file = file;
    this.#name = name;
  }

  /** Events by their numbers. */
  async read(events: readonly number[]): Promise<ReadonlyMap<number, string>> {
    const texts = new Map<number, string>();
    const wanted = new Set(events);
    const end = events.reduce((last, event) => Math.max(last, event + 1), 0);
    const visit = (number: number, text: () => string): void => {
      if (wanted.has(number)) texts.set(number, text());
    };
    await this.#visit(visit, (read) => read < end);
    return texts;
  }

  /**
   * Events that have a text in them, from one on and around the end.
   *
   * @param wanted in small letters
   */
  async find(
    rows: EventRows,
    wanted: string,
    event: number,
    limit: number,
    goesOn: () => boolean,
  ): Promise<FileLine[]> {
    const before: FileLine[] = [];
    const after: FileLine[] = [];
    const visit = (number: number, textOf: () => string): void => {
      const found = number < event ? before : after;
      if (found.length === limit) return;
      const text = textOf();
      if (text.toLowerCase().includes(wanted)) found.push({ line: rows.lineOf(number), event: number, text });
    };
    await this.#visit(visit, () => after.length < limit && goesOn());
    return [...after, ...before].slice(0, limit);
  }

  /** Visits all events, as long as `goesOn` says so. */
  async #visit(
    visit: (number: number, text: () => string) => void,
    goesOn: (events: number) => boolean,
  ): Promise<void> {
    const source = new TraceSource(this.#name, {
      qemu: (event) => visit(event.number, () => qemuText(event)),
      linux: (event, names) => {
        if (event.kind !== DMA_LOST) visit(event.number, () => linuxText(event, names));
      },
      gap: () => {},
    });
    const opened = await openInput(new CountedFile(this.#file), this.#name, HEAD_BYTES);
    const options = { name: this.#name, truncated: () => {} };
    for await (const _ of traceSteps(opened, source, options)) if (!goesOn(source.events)) break;
  }
}

/** As QEMU's log has it. */
function qemuText(event: QemuTraceEvent): string {
  const { name, fields, after } = findSchema(event.kind, event.pci);
  const values = fields.map(({ before, word, type }) => {
    const value = toBig(event.words[word]!, event.words[word + 1]!);
    if (type === U32) return `${before}${BigInt.asUintN(32, value)}`;
    if (type === D64) return `${before}${BigInt.asIntN(64, value)}`;
    if (type === D32) return `${before}${BigInt.asIntN(32, value)}`;
    return `${before}${hex(value)}`;
  });
  return `${name}${values.join("")}${after}`;
}

function linuxText(event: LinuxDmaEvent, { devices, tasks }: DmaNames): string {
  const { name, family } = DMA_KINDS[event.kind]!;
  const task = tasks.names[event.task];
  const who = task === undefined ? "" : `${task}-${event.pid} `;
  const ranges =
    family === LIST
      ? `ranges=${listText(event.ranges)} entries=${listText(event.entries)}`
      : `dma_addr=${hex(toBig(event.dmaHi, event.dmaLo))} size=${event.size} phys_addr=${hex(toBig(event.physHi, event.physLo))}`;
  return `${who}${name}: ${devices.names[event.device]} dir=${DIRECTION_NAMES[event.direction]} ${ranges}`;
}

const listText = ({ words, length }: HalvesList): string => {
  const shown = Array.from({ length: Math.min(length, MAX_RANGES) }, (_, i) =>
    hex(toBig(words[i * 2]!, words[i * 2 + 1]!)),
  );
  return `${length}[${shown.join(",")}${length > MAX_RANGES ? ",…" : ""}]`;
};
