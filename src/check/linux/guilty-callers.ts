import type { LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import type { LiveMapping } from "./live-mapping.ts";

/** Callers that are remembered. */
const MAX_CALLERS = 65_536;
/** Events before and after an error that are its caller's, where a recording does not tell who runs. */
const CALLER_BEFORE = 16;
const CALLER_AFTER = 8;
/** Who made mistakes: a process on a device, or a stretch of events where no process is printed. */
export class GuiltyCallers {
  readonly #callers = new Set<string>();
  /** Events of errors of unknown callers, by device; in order. */
  readonly #errors = new Map<number, number[]>();

  add({ device, pid, number }: LinuxDmaEvent): void {
    if (this.#callers.size >= MAX_CALLERS) return;
    if (pid >= 0) this.#callers.add(`${device} ${pid}`);
    else {
      const errors = this.#errors.get(device);
      if (errors === undefined) this.#errors.set(device, [number]);
      else if (errors.length < MAX_CALLERS) errors.push(number);
    }
  }

  clear(): void {
    this.#callers.clear();
    this.#errors.clear();
  }

  made({ device, pid, event }: LiveMapping): boolean {
    if (pid >= 0) return this.#callers.has(`${device} ${pid}`);
    const errors = this.#errors.get(device) ?? [];
    return errors.some((error) => event >= error - CALLER_BEFORE && event <= error + CALLER_AFTER);
  }
}
