import { readMachine } from "../../src/formats/machine/read-machine.ts";
import { TraceSource } from "../../src/formats/trace/trace-source.ts";
import { LinuxMachine } from "../../src/lab/linux-machine.ts";
import { SetUpComparison } from "../../src/lab/set-up-comparison.ts";
import type { TraceEvent } from "../../src/spapr/trace-events.ts";
import { corpusNames, readCorpus, readSidecar } from "../helpers/corpus.ts";

/** Recorded traces of QEMU's that a boot of Linux begins, by kind and name. */
export const BOOTS: readonly (readonly [kind: string, name: string])[] = [
  ...corpusNames("traces", ".log.gz")
    .filter((name) => /linux\d/.test(name))
    .map((name) => ["traces", name] as const),
  ...corpusNames("boots", ".log.gz").map((name) => ["boots", name] as const),
];

/** Recordings that the model does not follow, and why. */
export const NOT_FOLLOWED: Readonly<Record<string, string>> = {
  "lsi-that-times-out-linux612":
    "the driver of the LSI controller hangs, so that the next module is never loaded",
  "migration-destination-virtio-e1000-linux61": "the guest comes by migration and does not boot",
  "tracing-switched-on-in-a-running-guest-linux61": "the trace begins after the boot",
};

/** Lines of the kernel's log that the model has, too. */
const MODELLED =
  /pe-dma-window|lsa_required|direct DMA is limited|Limited Address|offset too big|Skipping ibm/;

/** A boot by the model, compared with the recorded one. */
export interface ComparedBoot {
  readonly comparison: SetUpComparison;
  readonly model: LinuxMachine;
  /** What the kernel says about windows: the model's, and the recorded one's. */
  readonly log: readonly string[];
  readonly recordedLog: readonly string[];
}

const compared = new Map<string, ComparedBoot>();

/** Several tests look at one comparison. */
export function compareBoot(kind: string, name: string): ComparedBoot {
  const file = `${kind}/${name}`;
  const found = compared.get(file) ?? compareAnew(kind, name);
  compared.set(file, found);
  return found;
}

function compareAnew(kind: string, name: string): ComparedBoot {
  const sidecar = readSidecar(kind, name);
  const events: TraceEvent[] = [];
  const log: string[] = [];
  const description = readMachine(JSON.stringify(sidecar), name)!;
  const model = new LinuxMachine(description, {
    trace: (event) => events.push(event),
    log: (line) => log.push(line),
  });
  model.run();
  const comparison = new SetUpComparison(events, model.notFollowed.length > 0);
  const source = new TraceSource(name, {
    qemu: (event) => comparison.handle(event),
    linux: () => {},
    gap: () => {},
  });
  source.push(readCorpus(kind, `${name}.log`));
  source.end();
  comparison.end();
  const recordedLog = (sidecar.guest_dmesg as string[]).map((line) => line.replace(/^\[ *[\d.]+\] /, ""));
  const modelled = (lines: readonly string[]): string[] => lines.filter((line) => MODELLED.test(line));
  return { comparison, model, log: modelled(log), recordedLog: modelled(recordedLog) };
}
