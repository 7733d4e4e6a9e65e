import type { MachineDescription } from "../formats/machine/machine-description.ts";
import type { FaultHook } from "../vfio/host/faults.ts";

/**
 * What a scenario may use of the world around it. The engine has no clock and no files of its own.
 *
 * @public
 */
export interface ScenarioContext {
  /** Seconds from some fixed moment. */
  readonly now: () => number;
  /** Name of the profile; undefined for the default. */
  readonly profile: string | undefined;
  /** Compare all views of every mapping after each operation, in scenarios that have a host. */
  readonly coherence: boolean;
  /** Makes operations of the hosts' kernels fail: shows that the checks notice. */
  readonly faults?: FaultHook;
  /** The trace that the user named, or the recorded one. */
  readonly trace: ScenarioInput;
  /** A machine, that the user described or the one of {@link trace}. */
  readonly machine?: { readonly name: string; readonly description: MachineDescription };
  /** Is {@link trace} one of {@link machine}? */
  readonly against?: boolean;
  /** Name or version of the guest's kernel; undefined for what the description says. */
  readonly kernel?: string | undefined;
}

/**
 * A file that a scenario may read.
 *
 * @public
 */
export interface ScenarioInput {
  readonly name: string;
  readonly open: () => AsyncIterable<Uint8Array>;
}

/**
 * A table of a report; cells are text, ready to be shown.
 *
 * @public
 */
export interface ReportTable {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/**
 * Something that must hold in a scenario.
 *
 * @public
 */
export interface ReportCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/**
 * What a scenario found out, for people; `data` has the same as numbers.
 *
 * @public
 */
export interface ScenarioReport {
  readonly scenario: string;
  readonly title: string;
  /** What happens and why, in sentences. */
  readonly story: readonly string[];
  readonly tables: readonly ReportTable[];
  /** Remarks below the tables: what was measured, what was extrapolated, what is cited. */
  readonly notes: readonly string[];
  readonly checks: readonly ReportCheck[];
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * A story that runs on models of the whole system, with a report.
 *
 * @public
 */
export interface Scenario {
  readonly name: string;
  /** One line for `run --list`. */
  readonly summary: string;
  run(context: ScenarioContext): Promise<ScenarioReport>;
}
