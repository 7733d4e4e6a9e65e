import { type JsonLine, placed } from "../../formats/json-lines.ts";
import { isListed, KnownDifferences, sameJson } from "../../formats/known-differences.ts";
import { completeHeader, profileOf } from "../../formats/op-script/header.ts";
import type { OpScript } from "../../formats/op-script/script.ts";
import type { Hazard, Refusal } from "../../spapr/observer.ts";
import { findProfile, type Profile } from "../../spapr/profile.ts";
import type { TraceEvent } from "../../spapr/trace-events.ts";
import type { CheckedLine, Recording, RunRecordingOptions } from "../recording.ts";
import type { OpResult } from "./result.ts";
import { OpRunner } from "./run.ts";

/** An op script as a recording. Without a profile it runs under the one that its header names. */
export function opRecording(script: OpScript): Recording {
  const runsAs = (name: string | undefined): Profile =>
    name === undefined ? profileOf(script.header) : findProfile(name);
  return {
    file: script.file,
    operations: script.lines.length,
    header: (engine, profile) =>
      JSON.stringify(completeHeader(script.header, script.config, engine, runsAs(profile))),
    run: (options = {}) => runScript(script, runsAs(options.profile), options),
  };
}

const NONE_KNOWN = new KnownDifferences([]);

function* runScript(
  script: OpScript,
  profile: Profile,
  options: RunRecordingOptions,
): Generator<CheckedLine> {
  const runner = new OpRunner({ ...script.config, profile }, script.vfioUser);
  const { observer } = runner.machine;
  const { known = NONE_KNOWN } = options;
  for (const { line, operation } of script.lines) {
    const refusals: Refusal[] = [];
    const hazards: Hazard[] = [];
    const events: TraceEvent[] = [];
    observer.hazard = (hazard) => hazards.push(hazard);
    if (options.refusals) observer.refusal = (refusal) => refusals.push(refusal);
    if (options.events) observer.trace = (event) => events.push(event);
    const result = placed(line.file, line.number, () => runner.run(operation));
    const plain = operationOf(line);
    yield {
      line: line.number,
      operation: plain,
      result,
      ...compareResults(line, line.value, result, known, profile.name),
      text: JSON.stringify({ ...plain, result }),
      refusals,
      hazards,
      events,
    };
  }
}

/** What a real system made of an operation: a result, or it ended, or neither is known. */
export interface RealOutcome {
  readonly result?: unknown;
  readonly crash?: unknown;
}

/** Compares our result of a line with what a real system made of it. */
export function compareResults(
  line: JsonLine,
  real: RealOutcome,
  result: OpResult,
  known: KnownDifferences,
  profile: string,
): Pick<CheckedLine, "verdict" | "expected" | "reason"> {
  const { crash } = real;
  const expected = real.result ?? crash;
  const listed = known.find(line.file, line.number, operationOf(line), profile);
  const same = crash === undefined && sameJson(comparable(line, expected), result);
  if (expected === undefined) return { verdict: "unrecorded", expected, reason: undefined };
  if (listed === undefined) return { verdict: same ? "same" : "different", expected, reason: undefined };
  if (same) return { verdict: "vanished", expected, reason: listed.reason };
  return { verdict: isListed(listed, result) ? "known" : "different", expected, reason: listed.reason };
}

/** A recorded result without what depends on the machine that recorded it: the times of a bench. */
function comparable(line: JsonLine, expected: unknown): unknown {
  if (line.value.op !== "bench" || typeof expected !== "object" || expected === null) return expected;
  return { failed: (expected as Record<string, unknown>).failed };
}

/** The members of a line that are the operation: all but what came out of it. */
export function operationOf(line: JsonLine): Record<string, unknown> {
  const { result, crash, ...operation } = line.value;
  return operation;
}
