import { expect } from "vitest";
import type { Finding } from "../../../src/check/findings/finding.ts";
import { checkTrace } from "../../../src/check/whole/check-trace.ts";
import { Random } from "../../helpers/random.ts";
import { type PlantedFinding, type PlantedRecording, plantFaults } from "./fault-planter.ts";
import { type Presented, present } from "./presentations.ts";

/** So many recordings are of all forms, whatever the seed. */
const ALL_FORMS = 200;

type Claim = Pick<PlantedFinding, "kind" | "device" | "count" | "lines">;

const byLine = (a: Claim, b: Claim): number => (a.lines[0] ?? 0) - (b.lines[0] ?? 0);

const claimOf = ({ kind, device, count, lines }: Claim): Claim => ({ kind, device, count, lines });

/** Plants faults, failures, leaks and bounces in recordings: each is found, with its lines, and nothing else is. */
export async function findPlantedFaults(seed: number, recordings: number): Promise<void> {
  const random = new Random(seed);
  const forms = new Map<string, number>();
  let all = 0;
  for (let i = 0; i < recordings; i++) {
    const recording = plantFaults(random);
    const shown = present(recording, random);
    const place = `SEED=${seed}, recording ${i} (${shown.form})`;
    const report = await checkTrace(shown.text, { kernelLog: recording.log });
    const found = report.findings
      .filter(({ kind }) => kind !== "lost-events")
      .map((finding) => ({ ...finding, lines: finding.lines.map((line) => shown.from[line - 1]!) }));
    const lost = report.findings.filter(({ kind }) => kind === "lost-events");
    expect(
      lost.reduce((sum, { count }) => sum + count, 0),
      place,
    ).toBe(shown.lost);
    forms.set(shown.form, (forms.get(shown.form) ?? 0) + recording.planted.length);
    all += recording.planted.length;
    if (shown.isPart) expectPlanted(found, recording, place);
    else expectAll(found, recording, shown, place);
    if (shown.isPart) continue;
    const buffers = report.bounced.filter(({ direction }) => direction === "TO_DEVICE");
    expect(
      buffers.reduce((sum, { count }) => sum + count, 0),
      place,
    ).toBe(recording.bounced);
  }
  const counts = [...forms].map(([form, count]) => `${form} ${count}`).join(", ");
  console.log(
    `${all} planted faults in ${recordings} recordings, SEED=${seed}: all found, and nothing else (${counts})`,
  );
  expect(all).toBeGreaterThan(recordings);
  if (recordings >= ALL_FORMS) expect(forms.size).toBe(6);
}

/** All that was planted is found, and nothing else. */
function expectAll(
  findings: readonly Finding[],
  { planted }: PlantedRecording,
  { hasTasks }: Presented,
  place: string,
): void {
  const found = [...findings].sort((a, b) => byLine(a as Claim, b as Claim));
  // That a driver went is told by the task that removes it: without it a leak may be found or not.
  const mayBe = (one: PlantedFinding): boolean =>
    !hasTasks && one.kind === "leak" && !found.some(({ kind }) => kind === "leak");
  const expected = planted.filter((one) => !mayBe(one)).sort(byLine);
  expect(
    found.map((one) => claimOf(one as Claim)),
    place,
  ).toEqual(expected.map(claimOf));
  if (!hasTasks) return;
  expected.forEach(({ message, caller }, at) => {
    expect(found[at]!.message, place).toMatch(message);
    expect(found[at]!.stack[0]?.frames[0], place).toBe(caller);
  });
}

/** What is found was planted: its lines are those of one planted finding of this kind and device. */
function expectPlanted(found: readonly Finding[], { planted }: PlantedRecording, place: string): void {
  for (const { kind, device, lines, message } of found) {
    const is = planted.some(
      (one) => one.kind === kind && one.device === device && lines.every((line) => one.lines.includes(line)),
    );
    expect(is ? [] : [kind, device, lines, message], place).toEqual([]);
  }
}
