/**
 * Runs in a browser's worker: parts of the engine whose results the test
 * compares with the ones of Node.
 *
 * @module
 */

import { KnownDifferences } from "../../src/formats/known-differences.ts";
import { hugeWindow } from "../../src/lab/huge-window.ts";
import { parseRecording } from "../../src/script/parse-recording.ts";

/** Runs the recordings and the scenario of the huge window. */
export async function checkEngine(
  recordings: Readonly<Record<string, string>>,
  knownDifferences: string,
): Promise<{
  verdicts: Record<string, Record<string, number>>;
  checks: readonly { name: string; ok: boolean }[];
}> {
  const known = KnownDifferences.parse([{ text: knownDifferences, file: "hcall.json" }]);
  const options = { known, profile: undefined, refusals: false, events: false };
  const verdicts: Record<string, Record<string, number>> = {};
  for (const [name, text] of Object.entries(recordings)) {
    const counts: Record<string, number> = {};
    for (const { verdict } of parseRecording(text, name).run(options)) {
      counts[verdict] = (counts[verdict] ?? 0) + 1;
    }
    verdicts[name] = counts;
  }
  let seconds = 0;
  const report = await hugeWindow.run({
    now: () => (seconds += 1e-3),
    profile: undefined,
    coherence: true,
    trace: { name: "none", open: () => (async function* () {})() },
  });
  return { verdicts, checks: report.checks.map(({ name, ok }) => ({ name, ok })) };
}
