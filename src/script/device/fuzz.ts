import { IommuError } from "../../base/errors.ts";
import { Random } from "../../base/random.ts";
import { hex } from "../../base/u64.ts";
import { parseDeviceScript } from "../../formats/op-script/device-operation.ts";
import type { DeviceHostOptions } from "../../vfio-user/client/device-host.ts";
import type { ByteChannel } from "../../vfio-user/protocol/channel.ts";
import { reduceList } from "../reduce-list.ts";
import { type FuzzStep, isCorrectDriver, linesOf, randomSteps, type ScriptObject } from "./fuzz-steps.ts";
import type { FuzzTarget } from "./fuzz-target.ts";
import { type DeviceFinding, findingOfEnd } from "./result.ts";
import { DeviceRunner } from "./run.ts";

/** The window is at 0, or above the first 4 GiB. */
const BASES: readonly bigint[] = [0n, 0x1_0000_0000n];

/**
 * How to look for mistakes of a device.
 *
 * @public
 */
export interface FuzzOptions {
  /** A connection to the device, for each run; undone before the next one. */
  readonly connect: () => Promise<ByteChannel>;
  /** How a driver makes it do DMA; without it registers are written at random. */
  readonly target: FuzzTarget | undefined;
  readonly seed: number;
  /** The most runs. */
  readonly runs: number;
  /** Steps of a run. */
  readonly steps: number;
  readonly host: Omit<DeviceHostOptions, "onDma" | "onDivergence" | "onMsi">;
  readonly signal?: AbortSignal | undefined;
  /** Hears of each run, also of those that reduce a finding. */
  readonly onRun?: (runs: number) => void;
}

/**
 * What came of it.
 *
 * @public
 */
export interface FuzzReport {
  /** Runs of random steps. */
  readonly runs: number;
  /** Runs that reduced the finding. */
  readonly reductions: number;
  readonly finding: DeviceFinding | undefined;
  /** An op script that shows the finding, as its lines; empty without one. */
  readonly script: readonly string[];
}

/** Steps with the place of the window. */
interface FuzzCase {
  readonly base: bigint;
  readonly steps: readonly FuzzStep[];
}

/**
 * Runs random lists of steps on a device until one shows a mistake of it, and reduces that list. The steps are those of a
 * guest and a driver that do nothing wrong: they unmap while the device works, but make it use only what is mapped.
 *
 * The same seed makes the same steps.
 *
 * @throws IommuError PEER if there is no device to connect to; the signal's reason
 * @public
 */
export async function fuzzDevice(options: FuzzOptions): Promise<FuzzReport> {
  const { seed, runs, steps, target } = options;
  for (let run = 0; run < runs; run++) {
    const random = new Random(seed + run);
    const base = random.pick(BASES);
    const found: FuzzCase = {
      base,
      steps: randomSteps(random, steps, target, options.host.timers !== undefined),
    };
    const finding = await findingOf(found, options);
    options.onRun?.(run + 1);
    if (finding === undefined) continue;
    const { rest, tried, last } = await reduced(found, finding, options);
    const script = [
      headerOf(rest, seed + run, last),
      ...rest.steps.flatMap((step) => linesOf(step, rest.base, target)),
    ];
    return {
      runs: run + 1,
      reductions: tried,
      finding: last,
      script: script.map((line) => JSON.stringify(line)),
    };
  }
  return { runs, reductions: 0, finding: undefined, script: [] };
}

/** A finding that was reduced as far as the device lived. */
interface Reduced {
  readonly rest: FuzzCase;
  readonly last: DeviceFinding;
  readonly tried: number;
}

/** Leaves out what is not needed to show a finding of the same kind, by a driver that is still right. */
async function reduced(found: FuzzCase, finding: DeviceFinding, options: FuzzOptions): Promise<Reduced> {
  const { base } = found;
  let best: Reduced = { rest: found, last: finding, tried: 0 };
  const lists = reduceList(found.steps);
  for (let next = lists.next(); !next.done; ) {
    const rest = { base, steps: next.value };
    let shows = false;
    if (isCorrectDriver(rest.steps)) {
      const other = await findingIfAlive(rest, options);
      if (other === "gone") return best;
      shows = other?.kind === finding.kind;
      const tried = best.tried + 1;
      best = shows ? { rest, last: other!, tried } : { ...best, tried };
    }
    next = lists.next(shows);
  }
  return best;
}

/** A server that the finding ended, and that nobody started again, cannot be asked any more. */
async function findingIfAlive(
  tried: FuzzCase,
  options: FuzzOptions,
): Promise<DeviceFinding | "gone" | undefined> {
  try {
    return await findingOf(tried, options);
  } catch (error) {
    if (error instanceof IommuError && error.code === "PEER") return "gone";
    throw error;
  }
}

/** The first finding of a run. */
async function findingOf(
  { base, steps }: FuzzCase,
  options: FuzzOptions,
): Promise<DeviceFinding | undefined> {
  options.signal?.throwIfAborted();
  const lines = [machineOf(base), ...steps.flatMap((step) => linesOf(step, base, options.target))];
  const script = parseDeviceScript(lines.map((line) => JSON.stringify(line)).join("\n"), "fuzz");
  const channel = await options.connect();
  let runner: DeviceRunner;
  try {
    runner = await DeviceRunner.start(script.config, channel, options.host);
  } catch (error) {
    if (!(error instanceof IommuError) || error.code !== "PEER") throw error;
    return findingOfEnd(error);
  }
  try {
    // A server keeps its device from one connection to the next.
    await runner.host.reset();
    for (const { operation } of script.lines) {
      const { findings } = await runner.run(operation);
      if (findings.length > 0) return findings[0];
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof IommuError) || error.code !== "PEER") throw error;
    return findingOfEnd(error);
  } finally {
    runner.stop();
  }
}

const machineOf = (base: bigint): ScriptObject => ({
  header: 1,
  phbs: [{ index: 0, ...(base === 0n ? {} : { dmaWinAddr: hex(base) }) }],
});

const headerOf = ({ base }: FuzzCase, seed: number, { kind, why }: DeviceFinding): ScriptObject => ({
  ...machineOf(base),
  title: `seed ${seed} shows ${kind}: ${why}`,
});
