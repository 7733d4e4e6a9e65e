import type { IommuError } from "../base/errors.ts";
import type { FoundLog } from "./find-log.ts";
import type { QmpAnswer } from "./qmp-answer.ts";

/**
 * Arguments of a command.
 *
 * @public
 */
export type QmpArguments = Readonly<Record<string, unknown>>;

/**
 * An event of QEMU, such as `STOP`.
 *
 * @public
 */
export interface QmpEvent {
  readonly event: string;
  readonly data: unknown;
  /** Seconds since 1970, by QEMU's clock; NaN if QEMU did not say. */
  readonly seconds: number;
}

/**
 * Who carries out commands of QMP.
 *
 * @public
 */
export interface Commands {
  /**
   * Carries out a command, within a limit of time.
   *
   * @throws IommuError PEER if QEMU refuses it, does not answer in time, or the connection ends before it does
   */
  execute(command: string, args?: QmpArguments): Promise<QmpAnswer>;
}

/**
 * The monitor of a running QEMU.
 *
 * @public
 */
export interface Monitor extends Commands {
  /** QEMU's version, as three numbers. */
  readonly version: string;
  /** Called with each event, if this monitor has them. */
  onEvent: (event: QmpEvent) => void;
  /** Resolves when the monitor has ended, with the reason. */
  readonly closed: Promise<IommuError>;
  readonly isClosed: boolean;
  /** What its owner marks the machine with because of commands of others; null if nobody does. */
  readonly taint: string | null;
  /** Where QEMU writes its log; undefined if that cannot be told. */
  findLog(): Promise<FoundLog | undefined>;
  /** Ends the connection; QEMU runs on. */
  close(): void;
}

/** The same commands until a signal: then those that wait are given up, and later ones are refused. */
export function until(signal: AbortSignal, commands: Commands): Commands {
  return {
    execute: (command, args) => {
      signal.throwIfAborted();
      return new Promise((resolve, reject) => {
        const abort = (): void => reject(signal.reason);
        signal.addEventListener("abort", abort, { once: true });
        commands
          .execute(command, args)
          .then(resolve, reject)
          .finally(() => signal.removeEventListener("abort", abort));
      });
    },
  };
}
