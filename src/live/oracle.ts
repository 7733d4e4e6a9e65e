import type { KnownDifferences } from "../formats/known-differences.ts";
import type { OpScript, ScriptLine } from "../formats/op-script/script.ts";
import { compareResults } from "../script/op/recording.ts";
import type { OpResult } from "../script/op/result.ts";
import { OpRunner } from "../script/op/run.ts";
import type { CheckedLine } from "../script/recording.ts";
import type { Hazard } from "../spapr/observer.ts";
import type { QemuProgram } from "./qemu-program.ts";
import { type Crash, type RealRun, type RunLimits, runOnQemu } from "./real-qemu.ts";

/**
 * One operation that both sides carried out, or during which QEMU ended.
 *
 * @public
 */
export interface OracleOutcome extends Pick<CheckedLine, "verdict" | "reason"> {
  readonly line: ScriptLine["line"];
  readonly hazards: readonly Hazard[];
  /** What the engine answered. */
  readonly result: OpResult;
  /** What QEMU answered; undefined if it ended during the operation. */
  readonly theirs: OpResult | undefined;
}

/**
 * The comparison of a script with real QEMU.
 *
 * @public
 */
export interface OracleReport {
  readonly script: OpScript;
  readonly outcomes: readonly OracleOutcome[];
  /** How QEMU ended during the last of the outcomes; null if it did not. */
  readonly crash: Crash | null;
  /** Operations that were not reached because QEMU ended. */
  readonly notReached: number;
  /** What QEMU printed. */
  readonly messages: readonly string[];
}

/**
 * Runs a script on real QEMU and on the engine and compares them, operation by operation.
 *
 * @public
 */
export async function askOracle(
  script: OpScript,
  qemu: QemuProgram,
  known: KnownDifferences,
  limits: RunLimits = {},
): Promise<OracleReport> {
  return compareWith(script, await runOnQemu(script, qemu, limits), known);
}

/**
 * Runs a script on the engine and compares with what QEMU did.
 *
 * Where QEMU ends after the engine warned of a hazard, there was no defined
 * answer to compare with: that is a known difference.
 */
export function compareWith(script: OpScript, real: RealRun, known: KnownDifferences): OracleReport {
  const { results, crash, messages } = real;
  const runner = new OpRunner(script.config);
  const outcomes: OracleOutcome[] = [];
  const earlier: Hazard[] = [];
  const reached = Math.min(script.lines.length, results.length + (crash === null ? 0 : 1));
  for (const { line, operation } of script.lines.slice(0, reached)) {
    const hazards: Hazard[] = [];
    runner.machine.observer.hazard = (hazard) => hazards.push(hazard);
    const result = runner.run(operation);
    const theirs = results[outcomes.length];
    const outcome = theirs === undefined ? { crash } : { result: theirs };
    let { verdict, reason } = compareResults(line, outcome, result, known, runner.machine.profile.name);
    earlier.push(...hazards);
    if (verdict === "different" && theirs === undefined && earlier.length > 0) {
      verdict = "known";
      reason = earlier.map(({ what }) => what).join("; ");
    }
    outcomes.push({ line, result, theirs, verdict, reason, hazards });
  }
  return { script, outcomes, crash, notReached: script.lines.length - reached, messages };
}

/**
 * Is this outcome a mistake of ours (or of the list of known differences)?
 *
 * @public
 */
export const isMismatch = ({ verdict }: OracleOutcome): boolean =>
  verdict === "different" || verdict === "vanished";
