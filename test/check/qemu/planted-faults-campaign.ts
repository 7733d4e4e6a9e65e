import { expect } from "vitest";
import type { Finding } from "../../../src/check/findings/finding.ts";
import type { ToldWindow } from "../../../src/formats/machine/told-window.ts";
import { readCorpus } from "../../helpers/corpus.ts";
import { Random } from "../../helpers/random.ts";
import { checkTrace } from "../checked.ts";
import { type Expected, PlantableTrace } from "./fault-planter.ts";

/** Real traces in which nothing is wrong. */
const NAMES = [
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

const decoder = new TextDecoder("latin1");
const traces = new Map<string, PlantableTrace>();

/** A trace of which one fault after the other is made, read when the first one is. */
function traceOf(name: string): PlantableTrace {
  const made =
    traces.get(name) ?? new PlantableTrace(name, decoder.decode(readCorpus("traces", `${name}.log`)));
  traces.set(name, made);
  return made;
}

/** A finding as what was expected of it, a line for each page. */
function* claimsOf({ kind, liobn = 0, ioba, pages, lines }: Finding): Generator<string> {
  const place = (page: number): string => `${kind} ${liobn} ${page}`;
  if (kind === "truncated") yield `truncated 0 0 line ${lines[0]}`;
  else if (ioba === undefined) yield place(-1);
  else if (kind === "mismatch") yield place(Math.floor(Number(ioba) / 4096));
  else for (let i = 0; i < pages; i++) yield place(Math.floor(Number(ioba) / 4096) + i);
}

/** LIOBNs of the default windows of all bridges. */
const WINDOWS = Array.from({ length: 31 }, (_, index) => 0x8000_0000 + index * 0x100);

const toldAt = (liobn: number, { start }: Place): ToldWindow => ({
  liobn,
  busOffset: BigInt(start),
  bytes: 2n ** 30n,
  pageShift: 12,
});

/** A mismatch names the offset of its translation, everything else a bus address. */
const movedClaim = (one: Expected, { start }: Place): Expected =>
  one.kind === "mismatch" || one.kind === "truncated" || !WINDOWS.includes(one.liobn)
    ? one
    : { ...one, page: one.page + start / 4096 };

const claimOf = ({ kind, liobn, page, line }: Expected): string =>
  kind === "truncated" ? `truncated 0 0 line ${line}` : `${kind} ${liobn} ${page}`;

/** How the default windows of the bridges of a trace lie, and what the check is told of them. */
interface Place {
  /** Bus address of the first byte. */
  readonly start: number;
  readonly told: boolean;
}

/** Bus addresses in calls, saves and loads of the default windows. */
const ADDRESS =
  /(spapr_iommu_pci_(?:put|get|stuff|indirect) liobn=0x8000\w\w00 ioba=0x|spapr_iommu_(?:pre_save|post_load) liobn=8000\w\w00 .*bus_offset=0x)(\w+)/g;

/** The trace as it would be if the default windows lay elsewhere: calls name bus addresses, translations offsets. */
const movedTo = (text: string, { start }: Place): string =>
  text.replace(ADDRESS, (_, head: string, address: string) => {
    return head + (Number.parseInt(address, 16) + start).toString(16);
  });

/** So many faults are of all kinds, whatever the seed. */
const ALL_KINDS = 400;

const USUAL: Place = { start: 0, told: false };

/** Where the default windows lie: anywhere below the other ones. */
export const anyPlace = (random: Random): Place => ({
  start: random.below(2 ** 30) * 2 ** random.pick([12, 16, 20]),
  told: random.below(3) === 0,
});

/**
 * Each of so many faults planted into real traces is found, and nothing else.
 *
 * @param placeOf where the default windows lie
 */
export function plantFaults(seed: number, faults: number, placeOf = (_: Random): Place => USUAL): void {
  const random = new Random(seed);
  const wrong: string[] = [];
  const count = { expected: 0, found: 0, right: 0, possible: 0, aged: 0 };
  const kinds = new Map<string, number>();
  for (let i = 0; i < faults; i++) {
    const fault = traceOf(random.pick(NAMES)).plant(random);
    const place = placeOf(random);
    const { what } = fault;
    const expected = fault.expected.map((one) => movedClaim(one, place));
    const possible = fault.possible.map((one) => movedClaim(one, place));
    const text = movedTo(fault.text, place);
    const report = checkTrace(
      text,
      {},
      place.told ? { windows: WINDOWS.map((liobn) => toldAt(liobn, place)) } : {},
    );
    const findings = report.findings.filter(({ kind }) => kind !== "assumed-geometry");
    const assumed = report.findings.length - findings.length;
    if (place.told && assumed > 0) wrong.push(`${what}: told, and yet assumed`);
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
      wrong.push(
        `${what} at 0x${place.start.toString(16)}: wanted ${[...wanted].join(", ")}; found ${[...claims].join(", ")}`,
      );
    }
  }
  const percent = (part: number, all: number): string => `${((part / all) * 100).toFixed(2)} %`;
  const planted = [...kinds].map(([kind, number]) => `${kind} ${number}`).join(", ");
  console.log(
    `${faults} faults, SEED=${seed}: precision ${percent(count.right, count.found)}, recall ${percent(count.right, count.expected)} (${planted}); of ${count.possible} pages that leaked without a trace, ${count.aged} were found by their age`,
  );
  expect(wrong, `SEED=${seed}`).toEqual([]);
  // A few faults need not be of all kinds.
  if (faults >= ALL_KINDS) expect(kinds.size).toBe(6);
}
