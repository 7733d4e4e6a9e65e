import { expect, it } from "vitest";
import { DEFAULT_CHECK_OPTIONS } from "../../../src/check/check-options.ts";
import {
  AgainstCheck,
  type AgainstCheckReport,
  sumOfAgreements,
} from "../../../src/check/saved/against-check.ts";
import type { Moment } from "../../../src/check/state/moment.ts";
import { editMigration } from "../../../src/formats/migration/edit.ts";
import { readMigration } from "../../../src/formats/migration/reader.ts";
import type { SavedWindow } from "../../../src/formats/migration/stream.ts";
import { withTable } from "../../../src/formats/migration/tce-section-writer.ts";
import { TceTable } from "../../../src/tce/tce-table.ts";
import { fileOf, joined, recordedStream, recordedStreams } from "../../formats/migration/sources.ts";
import { readCorpus, readSidecar } from "../../helpers/corpus.ts";
import { Random } from "../../helpers/random.ts";

/** Streams of Linux guests with a trace of the same run. */
export const PAIRS = recordedStreams()
  .filter((name) => name.includes("--"))
  .map((name) => ({ name, trace: name.split("--")[0]! }));

export function checkAgainst(
  trace: Uint8Array,
  windows: readonly SavedWindow[],
  moment?: Moment,
): AgainstCheckReport {
  const check = new AgainstCheck("trace", { file: "stream", windows }, DEFAULT_CHECK_OPTIONS, { moment });
  check.push(trace);
  return check.end();
}

export const mismatchesOf = ({ findings }: AgainstCheckReport) =>
  findings.filter(({ kind }) => kind === "mismatch");

/** Changes entries of a recorded stream, one at a time: it differs from its trace in exactly that one. */
export async function changeEntries(seed: number, name: string, rounds: number): Promise<void> {
  const random = new Random(seed);
  const log = readCorpus("traces", `${name.split("--")[0]}.log`);
  const bytes = recordedStream(name);
  const stream = await readMigration(fileOf(bytes));
  const at = { event: checkAgainst(log, stream.windows).against.before!.event - 1 };
  for (let round = 0; round < rounds; round++) {
    const window = random.pick(stream.windows.filter(({ table }) => table !== null));
    const stored: number[] = [];
    window.table!.forEachStoredRun(0, window.entries, (first, count) =>
      stored.push(first, first + count - 1),
    );
    // An entry that maps something, or any: which is nearly always an empty one.
    const index = round % 2 === 0 && stored.length > 0 ? random.pick(stored) : random.below(window.entries);
    const table = TceTable.from(window.table!);
    const value = table.get(index) ^ (1n << BigInt(random.below(64)));
    table.set(index, value);
    const edited = await joined(editMigration(fileOf(bytes), stream, [withTable(window, table)]));
    const { windows } = await readMigration(fileOf(edited));
    const report = checkAgainst(log, windows, at);
    const unknown = report.against.windows.find(({ liobn }) => liobn === window.liobn)!.unknown > 0;
    const found = mismatchesOf(report);
    const what = `SEED=${seed}: entry ${index} of 0x${window.liobn.toString(16)}`;
    // In the one trace that begins late the entry may be unknown.
    if (unknown && found.length === 0) continue;
    expect(found, what).toHaveLength(1);
    const shift = BigInt(window.geometry?.pageShift ?? 12);
    expect(found[0], what).toMatchObject({
      liobn: window.liobn,
      ioba: (window.geometry?.busOffset ?? 0n) + (BigInt(index) << shift),
      pages: 1,
    });
    expect(found[0]!.message).toContain(`0x${value.toString(16)} in the saved machine`);
    expect(found[0]!.lines.length, what).toBe(found[0]!.events.length);
    expect(found[0]!.lines.length, what).toBeGreaterThan(0);
  }
}

const STILL = new Map(
  PAIRS.flatMap(({ trace }) =>
    (readSidecar("traces", trace).migration_streams as { file: string; after_trace_line: number }[]).map(
      ({ file, after_trace_line: line }) => [file.replace(".mig.gz", ""), line] as const,
    ),
  ),
);

/** Entries that agree with an event, with a conclusion from one, and where the trace knows nothing. */
export interface Agreements {
  readonly agreed: number;
  readonly confirmed: number;
  readonly unknownMapped: number;
}

/** Saved machines agree with the trace of the same run, where the trace says that they were saved: counts entries. */
export function agreeWithTraces(pairs: typeof PAIRS): Agreements {
  const totals = { agreed: 0, confirmed: 0, unknownMapped: 0 };
  it.each(pairs)(
    "$name agrees with the trace of the same run, where it was saved",
    async ({ name, trace }) => {
      const { windows } = await readMigration(fileOf(recordedStream(name)));
      const report = checkAgainst(readCorpus("traces", `${trace}.log`), windows);
      expect(mismatchesOf(report)).toEqual([]);
      const { before, saves, windows: agreements } = report.against;
      // Of several moments that agree the last one is named: only two streams are taken with nothing in between.
      if (name !== "two-phbs-virtio-e1000-linux61--two-phbs-idle")
        expect(before?.line).toBe(STILL.get(name)! + 1);
      expect(saves).toBe([...STILL.keys()].filter((other) => other.startsWith(`${trace}--`)).length);
      const sum = sumOfAgreements(agreements);
      expect([sum.differing, sum.contradicted]).toEqual([0, 0]);
      totals.agreed += sum.agreed;
      totals.confirmed += sum.confirmed;
      totals.unknownMapped += sum.unknownMapped;
      expect(sum.agreed + sum.confirmed + sum.empty + sum.unknown).toBe(sum.entries);
      const stored = windows.reduce((all, { table }) => all + (table?.storedCount ?? 0), 0);
      // What a list cleared may be inferred, too.
      expect(sum.agreed + sum.confirmed + sum.unknownMapped).toBeGreaterThanOrEqual(stored);
      if (trace.startsWith("tracing-switched-on")) expect(sum.unknownMapped).toBeGreaterThan(0);
      else expect(sum.unknown).toBe(0);
    },
  );
  return totals;
}
