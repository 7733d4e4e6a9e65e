import type { CostName } from "../../lab/cost-model.ts";
import { stallVerdict } from "../../lab/cost-model.ts";
import type { Act, Story } from "../stage-protocol.ts";

/** A stretch of an act's time. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly cost: CostName;
  readonly count: number;
  /** Which call of the act. */
  readonly call: number;
}

/** Phases one behind the other, in seconds since the beginning. */
export function stretchesOf({ calls }: Act): Stretch[] {
  const stretches: Stretch[] = [];
  let at = 0;
  for (const [call, { phases }] of calls.entries()) {
    for (const { cost, count, seconds } of phases) {
      stretches.push({ from: at, to: at + seconds, cost, count, call });
      at += seconds;
    }
  }
  return stretches;
}

/** Seconds that an act takes. */
export const secondsOfAct = (act: Act): number => stretchesOf(act).at(-1)?.to ?? 0;

/** The longest time in one piece for which the guest cannot run. */
export const longestCall = ({ calls }: Act): number =>
  Math.max(0, ...calls.map(({ phases }) => phases.reduce((sum, { seconds }) => sum + seconds, 0)));

/** Where an act is at some second. */
export interface ActAt {
  /** What happens now; undefined when all has happened. */
  readonly now: Stretch | undefined;
  /** How many of {@link now} are done. */
  readonly done: number;
  /** TCEs or runs that were looked at, and those of them that were mapped. */
  readonly looked: number;
  readonly notifications: number;
  /** Seconds for which the guest could not run, in this call. */
  readonly stalled: number;
  readonly softLockup: boolean;
  readonly rcuStall: boolean;
}

/** Costs that are looks at entries. */
const LOOKS: readonly CostName[] = ["tceWalked", "runCounted"];

/** How far an act is at some second since its beginning. */
export function actAt(act: Act, second: number): ActAt {
  const stretches = stretchesOf(act);
  const now = stretches.find(({ to }) => second < to);
  const part = now === undefined ? 1 : Math.max(0, second - now.from) / (now.to - now.from);
  const done = now === undefined ? 0 : Math.floor(now.count * part);
  const walk = stretches.find(({ cost }) => LOOKS.includes(cost));
  const isBefore = walk !== undefined && now !== undefined && now.from < walk.from;
  const isIn = walk !== undefined && now === walk;
  const looked = isBefore ? 0 : isIn ? done : act.looked;
  // The walk tells of a page when it comes to it.
  const found = walk?.cost === "tceWalked" ? act.found.filter((page) => page < looked).length : looked;
  const notifications = isBefore ? 0 : isIn ? found : act.notifications;
  const call = now?.call ?? act.calls.length - 1;
  const first = stretches.find((one) => one.call === call)?.from ?? 0;
  const stalled = now === undefined ? 0 : second - first;
  const worst = Math.max(stalled, ...lengthsBefore(stretches, second));
  return { now, done, looked, notifications, stalled, ...stallVerdict(worst) };
}

/** Lengths of the calls that are over. */
function lengthsBefore(stretches: readonly Stretch[], second: number): number[] {
  const lengths = new Map<number, number>();
  for (const { call, from, to } of stretches)
    lengths.set(call, (lengths.get(call) ?? 0) + Math.max(0, Math.min(to, second) - from));
  return [...lengths.values()];
}

/** Moments at which something begins, ends, or is reported: where stepping stops. */
export function stopsOf({ acts }: Story, reports: readonly number[]): number[] {
  const length = Math.max(...acts.map(secondsOfAct));
  const all = acts.flatMap((act) => stretchesOf(act).flatMap(({ from, to }) => [from, to]));
  // What takes less than a thousandth of all is one moment with what is beside it.
  const apart = length / 1000;
  const sorted = [0, ...all, ...reports.filter((at) => at < length), length].sort((a, b) => a - b);
  return sorted.filter((at, i) => i === 0 || at - sorted[i - 1]! > apart || at === length).filter(distinct);
}

const distinct = (at: number, i: number, all: readonly number[]): boolean => i === 0 || at !== all[i - 1];
