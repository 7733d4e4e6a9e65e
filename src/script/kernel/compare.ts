import type { KernelLine, KernelScript, Outcome } from "../../formats/kernel-script/script.ts";
import { type ResultLine, type RunOptions, runKernelScript } from "./run.ts";

/** One operation as it was recorded, and as the model answers it. */
export interface ComparedLine {
  readonly line: KernelLine;
  readonly actual: ResultLine;
  /** Names of what differs: `ret`, `errno`, `lck`, `out.NAME`. Empty where nothing was recorded. */
  readonly differences: readonly string[];
}

/** Runs a recording and compares each operation's outcome with what was recorded. */
export function* compareKernelScript(
  script: KernelScript,
  options: RunOptions = {},
): Generator<ComparedLine> {
  let at = 0;
  for (const actual of runKernelScript(script, options)) {
    const line = script.lines[at++]!;
    yield { line, actual, differences: differencesOf(line.expected, actual) };
  }
}

function differencesOf(expected: Outcome | undefined, actual: ResultLine): string[] {
  if (expected === undefined) return [];
  const outs = new Set([...Object.keys(expected.out ?? {}), ...Object.keys(actual.out ?? {})]);
  return [
    ...(["ret", "errno"] as const).filter((key) => expected[key] !== actual[key]),
    ...(expected.lck !== undefined && expected.lck !== actual.lck ? ["lck"] : []),
    ...[...outs].filter((key) => expected.out?.[key] !== actual.out?.[key]).map((key) => `out.${key}`),
  ];
}
