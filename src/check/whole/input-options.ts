import { IommuError } from "../../base/errors.ts";
import { DEFAULT_INPUT_NAME } from "../../formats/input/input-data.ts";
import type { ToldWindow } from "../../formats/machine/told-window.ts";
import type { ReadTraceOptions } from "../../formats/recording/read-trace.ts";
import type { MachineChoice } from "../../formats/saved/saved-machine.ts";
import type { LinuxDmaEvent } from "../../formats/trace/dma-event.ts";
import { DMA_LOST } from "../../formats/trace/dma-kinds.ts";
import type { Gap } from "../../formats/trace/trace-reader.ts";
import { type CheckOptions, DEFAULT_CHECK_OPTIONS } from "../check-options.ts";

/**
 * What all calls with a whole input take.
 *
 * @public
 */
export interface InputOptions {
  /** What messages and reports call the input; default `input`. */
  readonly name?: string | undefined;
  /** Of a disk with snapshots: name or id of the one whose machine is meant; default the newest one. */
  readonly snapshot?: string | undefined;
  /** Of a recording with several buffers (`trace-cmd record -B`): which one is read; default: the top one. */
  readonly buffer?: string | undefined;
}

/**
 * What calls take that read a trace to its end.
 *
 * @public
 */
export interface ReadInputOptions extends InputOptions {
  /**
   * Notified if packed data ends early, with the reason: what came before is used. Without it that is an error
   * (BAD_FILE). Calls whose answer does not tell of it notify of the first place, too, where a recording was cut, is
   * damaged or lost events.
   */
  readonly onTruncated?: ((reason: string) => void) | undefined;
}

/**
 * What calls take that rebuild the windows of a trace of QEMU.
 *
 * @public
 */
export interface WindowsOptions {
  /** What is known of the windows that the trace does not tell of itself; see {@link knownWindows}. */
  readonly windows?: readonly ToldWindow[] | undefined;
}

/**
 * Which events of a trace are taken.
 *
 * @public
 */
export interface FilterOptions {
  /**
   * Filters in the grammar of trace-cmd, such as `dma_map_*: device == "0000:00:03.0" && size > 4096`; an event is taken
   * if one of them takes it. Default: all events.
   */
  readonly filter?: string | readonly string[] | undefined;
}

/** The name of an input in messages. */
export const nameOf = ({ name = DEFAULT_INPUT_NAME }: InputOptions): string => name;

/** Which machine of an input is meant, for the reader of saved machines. */
export const choiceOf = (options: InputOptions): MachineChoice => ({
  name: nameOf(options),
  snapshot: options.snapshot,
});

/** Which part of an input is read as a trace, and what to do when it ends early. */
export const traceOptions = (
  options: ReadInputOptions,
  truncated: (reason: string) => void = truncation(options),
): ReadTraceOptions => ({
  name: nameOf(options),
  buffer: options.buffer,
  snapshot: options.snapshot,
  truncated,
});

/** The same options, of which only the first notice that an input ends early is passed on: one cut can show twice. */
export function toldOnce<Options extends ReadInputOptions>(options: Options): Options {
  const { onTruncated } = options;
  if (onTruncated === undefined) return options;
  let isTold = false;
  const once = (reason: string): void => {
    if (!isTold) onTruncated(reason);
    isTold = true;
  };
  return { ...options, onTruncated: once };
}

/** Notifies of where something of a trace is missing. */
export const tellGap = ({ onTruncated }: ReadInputOptions, { message }: Gap): void => onTruncated?.(message);

/** Notifies of where events of Linux are missing, which is an event, too. */
export function tellLoss({ onTruncated }: ReadInputOptions, { kind }: LinuxDmaEvent): void {
  if (kind === DMA_LOST) onTruncated?.("the kernel lost events");
}

/** What to do when an input ends early. */
export function truncation({ onTruncated, ...options }: ReadInputOptions): (reason: string) => void {
  return (
    onTruncated ??
    ((reason) => {
      const path = nameOf(options);
      throw new IommuError("BAD_FILE", `${path}: ${reason}`, { path, early: reason });
    })
  );
}

/**
 * The thresholds among options, the others at their default.
 *
 * @throws IommuError BAD_ARGUMENT for one that is negative, or a part that is more than the whole
 */
export function thresholdsOf(given: Partial<CheckOptions>): CheckOptions {
  const threshold = (name: Exclude<keyof CheckOptions, "ram">, most = Number.MAX_SAFE_INTEGER): number => {
    const value = given[name] ?? DEFAULT_CHECK_OPTIONS[name];
    if (value >= 0 && value <= most) return value;
    throw new IommuError("BAD_ARGUMENT", `${name}: ${value} is not from 0 to ${most}`, { [name]: value });
  };
  return {
    ram: given.ram,
    fullAt: threshold("fullAt", 1),
    freePages: threshold("freePages"),
    overtaken: threshold("overtaken"),
    pool: threshold("pool"),
    outlived: threshold("outlived"),
    older: threshold("older"),
    neverUnmapped: threshold("neverUnmapped"),
    goneAt: threshold("goneAt", 1),
    cacheLine: threshold("cacheLine"),
    dmaMask: threshold("dmaMask", 64),
    sweep: threshold("sweep"),
  };
}
