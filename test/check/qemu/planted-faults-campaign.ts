import { expect } from "vitest";
import type { Finding } from "../../../src/check/findings/finding.ts";
import { readCorpus } from "../../helpers/corpus.ts";
import { Random } from "../../helpers/random.ts";
import { checkTrace } from "../checked.ts";
import { type Expected, PlantableTrace } from "./fault-planter.ts";

/** Real traces in which nothing is wrong. */
const TRACES = [
  "nvme-e1000-1g-linux61",
  "ddw-off-nvme-e1000-linux61",
  "driver-rebind-phb-hotplug-linux61",
  "reboot-twice-nvme-e1000-linux61",
  "memory-hotplug-dimms-1536m-linux61",
  "kdump-crash-kernel-linux61",
  "pgsz-4k-only-linux61",
  "mixed-events-guest-errors-linux61",
  "nvme-4g-parallel-io-linux612-timestamps",
  "virtio-blk-net-iommu-platform-linux612",
];

/** A finding as what was expected of it, a line for each page. */
function* claimsOf({ kind, liobn = 0, ioba, pages, lines }: Finding): Generator<string> {
  const place = (page: number): string => `${kind} ${liobn} ${page}`;
  if (kind === "truncated") yield `truncated 0 0 line ${lines[0]}`;
  else if (ioba === undefined) yield place(-1);
  else if (kind === "mismatch") yield place(Math.floor(Number(ioba) / 4096));
  else for (let i = 0; i < pages; i++) yield place(Math.floor(Number(ioba) / 4096) + i);
}

const claimOf = ({ kind, liobn, page, line }: Expected): string =>
  kind === "truncated" ? `truncated 0 0 line ${line}` : `${kind} ${liobn} ${page}`;

/** Each of so many faults planted into real traces is found, and nothing else. */
export function plantFaults(seed: number, faults: number): void {
  const random = new Random(seed);
  const decoder = new TextDecoder("latin1");
  const traces = TRACES.map(
    (name) => new PlantableTrace(name, decoder.decode(readCorpus("traces", `${name}.log`))),
  );
  const wrong: string[] = [];
  const count = { expected: 0, found: 0, right: 0, possible: 0, aged: 0 };
  const kinds = new Map<string, number>();
  for (let i = 0; i < faults; i++) {
    const { what, text, expected, possible } = random.pick(traces).plant(random);
    const { findings } = checkTrace(text);
    const claims = new Set(findings.flatMap((finding) => [...claimsOf(finding)]));
    for (const leak of possible) {
      count.possible++;
      if (claims.delete(claimOf(leak))) count.aged++;
    }
    const wanted = new Set(expected.map(claimOf));
    const right = [...wanted].filter((claim) => claims.has(claim));
    count.expected += wanted.size;
    count.found += claims.size;
    count.right += right.length;
    for (const { kind } of expected) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    const proven = expected.every(({ line }) => findings.some(({ lines }) => lines.includes(line)));
    if (right.length !== wanted.size || right.length !== claims.size || !proven) {
      wrong.push(`${what}: wanted ${[...wanted].join(", ")}; found ${[...claims].join(", ")}`);
    }
  }
  const percent = (part: number, all: number): string => `${((part / all) * 100).toFixed(2)} %`;
  const planted = [...kinds].map(([kind, number]) => `${kind} ${number}`).join(", ");
  console.log(
    `${faults} faults, SEED=${seed}: precision ${percent(count.right, count.found)}, recall ${percent(count.right, count.expected)} (${planted}); of ${count.possible} pages that leaked without a trace, ${count.aged} were found by their age`,
  );
  expect(wrong, `SEED=${seed}`).toEqual([]);
  expect(kinds.size).toBe(6);
}
