import { expect, it } from "vitest";
import { readCorpus } from "../../helpers/corpus.ts";
import { Random } from "../../helpers/random.ts";
import { checkTrace } from "../checked.ts";
import { type Manner, SyncRecording } from "./sync-planter.ts";

/** Recordings in which nothing is wrong, in several forms. */
const RECORDINGS = [
  "dma-ppc64le-linux612-nvme-e1000",
  "dma-ppc64le-linux612-perf-script",
  "dma-ppc64le-linux612-trace-cmd-report-latency",
  "dma-ppc64le-linux612-vscsi-vlan-usb-virtio",
  "dma-ppc64le-linux72-nvme-e1000",
  "dma-x86-linux612-vtd-trace-cmd-report",
  "dma-x86-linux616-vtd-nvme-e1000e",
];
export const MANNERS: readonly Manner[] = ["skipping unmap", "skipping map", "turns"];

const decoder = new TextDecoder("latin1");
export const recordings = RECORDINGS.map(
  (name) => new SyncRecording(name, decoder.decode(readCorpus("traces", `${name}.txt`))),
);

/** A sync that is left out is found each of so many times, and nothing else is. */
export function leaveOutSyncs(seed: number, faults: number): void {
  it(`is found each of ${faults} times, and nothing else is, SEED=${seed}`, () => {
    const random = new Random(seed);
    const wrong: string[] = [];
    let found = 0;
    let right = 0;
    for (let i = 0; i < faults; i++) {
      const manner = random.pick(MANNERS);
      const { what, text, lines } = random
        .pick(recordings.filter((one) => one.suits(manner)))
        .plant(manner, random);
      const findings = checkTrace(text).findings;
      found += findings.length;
      const good = findings.filter(
        (one) => one.kind === "missing-sync" && one.severity === "warning" && `${one.lines}` === `${lines}`,
      );
      right += good.length;
      if (good.length !== 1 || findings.length !== 1) {
        const told = findings.slice(0, 5).map((one) => `${one.kind} ${one.lines}`);
        wrong.push(`${what}: wanted ${lines}, found ${told.join("; ") || "nothing"}`);
      }
    }
    const percent = (of: number): string => `${((right / of) * 100).toFixed(2)} %`;
    console.log(
      `${faults} syncs left out, SEED=${seed}: precision ${percent(found)}, recall ${percent(faults)}`,
    );
    expect(wrong).toEqual([]);
  });
}

/** Recordings of drivers that do sync, with bounce buffers. */
const SYNCING = [
  "dma-x86-linux612-swiotlb-syncs",
  "dma-x86-linux612-swiotlb-syncs-virtio-tulip-vmxnet3",
  "dma-x86-linux72-swiotlb-syncs-virtio",
];

/** What taking away every so manieth sync of real drivers shows. */
export interface TakenSyncs {
  readonly taken: number;
  readonly told: number;
  /** What was told that is not the sync that was taken. */
  readonly wrong: readonly string[];
}

export function takeSyncs(every: number): TakenSyncs {
  const wrong: string[] = [];
  let seen = 0;
  let taken = 0;
  let told = 0;
  for (const name of SYNCING) {
    const lines = decoder.decode(readCorpus("traces", `${name}.txt`)).split("\n");
    lines.forEach((line, at) => {
      const device = / dma_sync_\w+: (\S+) /.exec(line)?.[1];
      if (device === undefined || seen++ % every > 0) return;
      taken++;
      const { findings } = checkTrace(lines.toSpliced(at, 1).join("\n"));
      told += findings.length;
      const [finding] = findings;
      if (finding === undefined) return;
      const { kind, severity, lines: proof } = finding;
      // Behind the line that was taken away, all numbers are one less.
      const isAround = proof.at(-2)! <= at && at < proof.at(-1)!;
      const isMine = kind === "missing-sync" && severity === "warning" && finding.device === device;
      if (findings.length > 1 || !isMine || !isAround) {
        const shown = findings.map((one) => `${one.kind} ${one.device} ${one.lines}`);
        wrong.push(`${name} without line ${at + 1}: ${shown.join("; ")}`);
      }
    });
  }
  return { taken, told, wrong };
}
