import type { ToldWindow } from "../formats/machine/told-window.ts";
import { type OpScript, parseOpScript } from "../formats/op-script/script.ts";
import { QemuLogReader } from "../formats/trace/qemu-log.ts";
import type { QemuTraceEvent } from "../formats/trace/trace-event.ts";
import { opRecording } from "../script/op/recording.ts";
import type { CheckedLine } from "../script/recording.ts";
import type { DmaWindow } from "../spapr/dma-window.ts";
import { Machine } from "../spapr/machine.ts";
import type { MachineConfig } from "../spapr/machine-config.ts";
import { formatTraceEvent } from "../spapr/trace-events.ts";

/** The trace of a run of an op script, as that of any other machine. Lines are the script's. */
export class ScriptTrace {
  readonly script: OpScript;
  /** The windows that the machine begins with, as its header tells. */
  readonly windows: readonly ToldWindow[];
  readonly #reader: QemuLogReader;
  readonly #encoder = new TextEncoder();

  /**
   * @param onEvent is called for each event, always with the same object
   * @throws IommuError BAD_FILE with file, line and column of the first mistake
   */
  constructor(text: string, file: string, onEvent: (event: QemuTraceEvent) => void) {
    this.script = parseOpScript(text, file);
    this.windows = windowsOfMachine(this.script.config);
    this.#reader = new QemuLogReader(onEvent);
  }

  get events(): number {
    return this.#reader.counts.events;
  }

  /** Runs the script; the events of an operation are told before its result. */
  *run(): Generator<CheckedLine> {
    const reader = this.#reader;
    // What a machine that began with its windows would have printed: their tables, empty.
    for (const { liobn } of this.windows)
      this.#push(`spapr_iommu_new_table liobn=0x${liobn.toString(16)} table=0x1000 fd=-1`);
    for (const checked of opRecording(this.script).run({ events: true })) {
      for (const event of checked.events) {
        // The events of one operation stand at its line.
        reader.line = checked.line - 1;
        this.#push(formatTraceEvent(event));
      }
      yield checked;
    }
  }

  #push(line: string): void {
    this.#reader.push(this.#encoder.encode(`${line}\n`));
  }
}

/** The windows that a machine begins with. */
export function windowsOfMachine(config: MachineConfig): ToldWindow[] {
  const machine = new Machine(config);
  const all = [
    ...machine.phbs.flatMap((phb) => phb.windows),
    ...machine.vio.devices.map(({ window }) => window),
  ];
  return all
    .filter((window): window is DmaWindow => window?.enabled === true)
    .map(({ liobn, busOffset, sizeBytes, pageShift }) => ({ liobn, busOffset, bytes: sizeBytes, pageShift }));
}
