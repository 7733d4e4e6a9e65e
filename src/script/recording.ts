import type { KnownDifferences } from "../formats/known-differences.ts";
import type { RecordValues, Refusal } from "../spapr/observer.ts";
import type { TraceEvent } from "../spapr/trace-events.ts";

/**
 * How a result compares with the recorded one. `known` is a reviewed
 * difference, `vanished` one that is none any more, `unrecorded` a line without
 * a result.
 *
 * @public
 */
export type Verdict = "same" | "known" | "vanished" | "different" | "unrecorded";

/**
 * What became of one line of a recording.
 *
 * @public
 */
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
  /** Of a host kernel: what it charged to the account of locked memory or gave back, and why, in words. */
  readonly locked?: string | undefined;
}

/**
 * How to run a recording.
 *
 * @public
 */
export interface RunRecordingOptions {
  /** Reviewed differences; default: none. */
  readonly known?: KnownDifferences;
  /** Name of a profile; default: the one of the system that was recorded. */
  readonly profile?: string | undefined;
  /** Collect explained refusals; default false. */
  readonly refusals?: boolean;
  /** Collect trace events; default false. */
  readonly events?: boolean;
}

/**
 * A recording of a real system, or a script that has not run yet: a machine, and what it did.
 *
 * @public
 */
export interface Recording {
  readonly file: string;
  readonly operations: number;
  /** The first line of the file with our results. */
  header(engine: string, profile?: string): string;
  /** Does everything again on a fresh machine. */
  run(options?: RunRecordingOptions): Generator<CheckedLine>;
}
