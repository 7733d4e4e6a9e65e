import type { RecordValues, Refusal } from "../spapr/observer.ts";
import type { TraceEvent } from "../spapr/trace-events.ts";
import { JsonLine } from "./json-lines.ts";
import { kernelRecording } from "./kernel-script/recording.ts";
import type { KnownDifferences } from "./known-differences.ts";
import { opRecording } from "./op-script/recording.ts";

/**
 * How a result compares with the recorded one. `known` is a reviewed
 * difference, `vanished` one that is none any more, `unrecorded` a line without
 * a result.
 */
export type Verdict = "same" | "known" | "vanished" | "different" | "unrecorded";

/** What became of one line of a recording. */
export interface CheckedLine {
  /** Line in the file, from 1. */
  readonly line: number;
  /** The operation without what came out of it. */
  readonly operation: unknown;
  /** What came out of it here. */
  readonly result: unknown;
  /** The recorded result, or how the real system ended. */
  readonly expected: unknown;
  readonly verdict: Verdict;
  /** Why a known difference is one. */
  readonly reason: string | undefined;
  /** The line with our result in place of the recorded one. */
  readonly text: string;
  readonly refusals: readonly Refusal[];
  readonly hazards: readonly { readonly id: string; readonly what: string; readonly values: RecordValues }[];
  readonly events: readonly TraceEvent[];
}

/** How to run a recording. */
export interface RunRecordingOptions {
  readonly known: KnownDifferences;
  /** Name of a profile; undefined: the one of the system that was recorded. */
  readonly profile: string | undefined;
  /** Collect explained refusals. */
  readonly refusals: boolean;
  /** Collect trace events. */
  readonly events: boolean;
}

/** A recording of a real system, or a script that has not run yet: a machine, and what it did. */
export interface Recording {
  readonly file: string;
  readonly operations: number;
  /** The first line of the file with our results. */
  header(engine: string, profile: string | undefined): string;
  /** Does everything again on a fresh machine. */
  run(options: RunRecordingOptions): Generator<CheckedLine>;
}

/**
 * Reads an op script (hypercalls, RTAS, DMA, vfio-user devices of a QEMU
 * machine) or a recording of a host kernel (VFIO containers, KVM tables): the
 * first line tells which.
 *
 * @throws IommuError BAD_FILE with file, line and column of the first mistake
 */
export function parseRecording(text: string, file: string): Recording {
  const first = text.slice(0, Math.max(text.indexOf("\n"), 0) || undefined).trim();
  const header = first === "" ? undefined : new JsonLine(file, 1, first).value.header;
  return typeof header === "object" && header !== null
    ? kernelRecording(text, file)
    : opRecording(text, file);
}
