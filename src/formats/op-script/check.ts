import type { MachineConfig } from "../../spapr/machine.ts";
import type { Hazard, Refusal } from "../../spapr/observer.ts";
import type { TraceEvent } from "../../spapr/trace-events.ts";
import type { JsonLine } from "../json-lines.ts";
import { type KnownDifferences, operationOf, sameJson } from "./known-differences.ts";
import { type OpResult, OpRunner } from "./run.ts";
import type { OpScript } from "./script.ts";

/** What became of one line of a script. */
export interface LineOutcome {
  readonly line: JsonLine;
  readonly result: OpResult;
  /**
   * How the result compares with the recorded one:
   * `vanished` is a listed difference that is none any more, `unrecorded` a line without a result.
   */
  readonly verdict: "same" | "known" | "vanished" | "different" | "unrecorded";
  /** The recorded result, or the crash of the real system. */
  readonly expected: unknown;
  /** Why a known difference is one. */
  readonly reason: string | undefined;
  readonly refusals: readonly Refusal[];
  readonly hazards: readonly Hazard[];
  readonly events: readonly TraceEvent[];
}

/** What to record of each line besides its result. */
export interface ListenOptions {
  readonly refusals?: boolean;
  readonly events?: boolean;
}

/** Runs a script on a fresh machine and compares each result with the recorded one. */
export function* executeScript(
  script: OpScript,
  known: KnownDifferences,
  config: Partial<MachineConfig> = {},
  listen: ListenOptions = {},
): Generator<LineOutcome> {
  const runner = new OpRunner({ ...script.config, ...config }, script.vfioUser);
  const { observer } = runner.machine;
  for (const { line, operation } of script.lines) {
    const refusals: Refusal[] = [];
    const hazards: Hazard[] = [];
    const events: TraceEvent[] = [];
    observer.hazard = (hazard) => hazards.push(hazard);
    if (listen.refusals === true) observer.refusal = (refusal) => refusals.push(refusal);
    if (listen.events === true) observer.trace = (event) => events.push(event);
    const result = runner.run(operation);
    yield { line, result, ...compare(line, result, known), refusals, hazards, events };
  }
}

function compare(
  line: JsonLine,
  result: OpResult,
  known: KnownDifferences,
): Pick<LineOutcome, "verdict" | "expected" | "reason"> {
  const expected = line.value.result ?? line.value.crash;
  const listed = known.find(line);
  const same = line.value.crash === undefined && sameJson(comparable(line, expected), result);
  if (expected === undefined) return { verdict: "unrecorded", expected, reason: undefined };
  if (listed === undefined) return { verdict: same ? "same" : "different", expected, reason: undefined };
  if (same) return { verdict: "vanished", expected, reason: listed.reason };
  return { verdict: sameJson(listed.ours, result) ? "known" : "different", expected, reason: listed.reason };
}

/** A recorded result without what depends on the machine that recorded it: the times of a bench. */
function comparable(line: JsonLine, expected: unknown): unknown {
  if (line.value.op !== "bench" || typeof expected !== "object" || expected === null) return expected;
  return { failed: (expected as Record<string, unknown>).failed };
}

/** A line of the script with our result in place of the recorded one. */
export const withResult = (line: JsonLine, result: OpResult): string =>
  JSON.stringify({ ...operationOf(line), result });
