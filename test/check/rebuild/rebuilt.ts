import { expect } from "vitest";
import { Rebuild } from "../../../src/check/rebuild/rebuild.ts";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { readCorpus, readSidecar } from "../../helpers/corpus.ts";

/** Rebuilds the windows of a log. */
export function rebuild(text: string | Uint8Array): Rebuild {
  const result = new Rebuild();
  const reader = new QemuLogReader((event) => result.handle(event));
  reader.push(typeof text === "string" ? new TextEncoder().encode(text) : text);
  reader.end();
  result.end();
  return result;
}

/** A rebuilt recording gives every answer that real QEMU gave. */
export function compareAnswers(name: string): void {
  const { counts, windows } = rebuild(readCorpus("traces", `${name}.log`));
  expect(counts.mismatches).toBe(0);
  expect(counts.contradicted).toBe(0);
  expect(counts.undetermined).toBe(0);
  const { facts } = readSidecar("traces", name);
  const { spapr_iommu_xlate: translations = 0, spapr_iommu_pci_get: reads = 0 } =
    facts.event_counts as Record<string, number>;
  const compared = counts.translations + counts.confirmed + counts.learned;
  // Reads of known entries count as statuses; each translation is compared, confirms or is learned from.
  expect(compared).toBeGreaterThanOrEqual(translations);
  expect(compared).toBeLessThanOrEqual(translations + reads);
  // What another reader found alive at the end, where the whole life of the tables is in the trace.
  const alive = facts.live_entries_at_the_end_as_far_as_the_trace_tells as Record<
    string,
    { nonzero_entries: number }
  >;
  for (const [liobn, { nonzero_entries }] of Object.entries(alive)) {
    const rebuilt = windows.get(Number(liobn));
    if (rebuilt === undefined || rebuilt.classes().unknown > 0) continue;
    expect(rebuilt.window.table?.storedCount, liobn).toBe(nonzero_entries);
  }
}
