import type { RebuildObserver } from "../../../src/check/rebuild/observer.ts";
import { Certainty, type RebuiltWindow } from "../../../src/check/rebuild/rebuilt-window.ts";
import { RebuiltWindows } from "../../../src/check/rebuild/rebuilt-windows.ts";
import { QemuTraceEvent } from "../../../src/formats/trace/trace-event.ts";
import { Machine } from "../../../src/spapr/machine.ts";
import type { Random } from "../../helpers/random.ts";

/**
 * What rebuilt windows remember (the window found last, where doubtful entries
 * are, an entry that is known) beside models that remember nothing.
 *
 * @module
 */

const CERTAINTIES = [Certainty.KNOWN, Certainty.INFERRED, Certainty.UNKNOWN] as const;
const PLACE = { event: 0, line: 1 };

/** Windows of three bridges of so many entries each. */
const windowsOf = (entries: number) => [
  ...new Machine({
    phbs: [0, 1, 2].map((index) => ({ index, ddw: false, dmaWinSize: BigInt(entries) << 12n })),
  }).env.liobns,
];

/** Finds, adds and removes windows; returns where the registry and a map differ. */
export function findAgain(steps: number, random: Random): string[] {
  const wrong: string[] = [];
  const all = windowsOf(512).filter(({ enabled }) => enabled);
  const model = new Map<number, RebuiltWindow>();
  const event = new QemuTraceEvent();
  const look = (step: number): void => {
    const liobn = random.pick(all).liobn + random.pick([0, 0, 0, 1]);
    const hi = random.below(20) === 0 ? 1 : 0;
    event.words.set([hi, liobn]);
    const expected = hi === 0 ? model.get(liobn) : undefined;
    if (registry.find(event) !== expected) wrong.push(`step ${step}: not what LIOBN ${hi}:${liobn} is`);
  };
  // Who hears of a change looks, too, while it goes on: what was created is there, what is removed still is.
  let now = 0;
  const observer = {
    created: (rebuilt: RebuiltWindow) => {
      model.set(rebuilt.window.liobn, rebuilt);
      look(now);
    },
    removing: () => look(now),
  };
  const registry: RebuiltWindows = new RebuiltWindows(observer as unknown as RebuildObserver);
  for (let step = 0; step < steps; step++) {
    const window = random.pick(all);
    now = step;
    const action = random.below(8);
    if (action === 0 && !model.has(window.liobn)) {
      const added = registry.add(window, Certainty.UNKNOWN, false, undefined);
      if (added !== model.get(window.liobn)) wrong.push(`step ${step}: not what was added`);
    } else if (action === 1) {
      const isGone = registry.remove(window.liobn, "removed", PLACE);
      if (isGone !== model.delete(window.liobn)) wrong.push(`step ${step}: removed ${isGone}`);
    } else look(step);
  }
  return wrong;
}

/** Marks entries and asks for them; returns where a window and a list of certainties differ. */
export function knowAgain(steps: number, random: Random): string[] {
  const wrong: string[] = [];
  const entries = 700;
  const [window] = windowsOf(entries).filter(({ enabled }) => enabled);
  const rebuilt = new RebuiltWindows(null).add(window!, Certainty.KNOWN, false, undefined);
  const model = new Uint8Array(entries);
  let last = 0;
  for (let step = 0; step < steps; step++) {
    const first = random.below(3) === 0 ? last : random.below(entries);
    const count = random.pick([1, 1, 2, 40, entries]);
    const end = Math.min(entries, first + random.below(count + 1));
    last = first;
    const action = random.below(100);
    if (action < 30) {
      const certainty = random.pick(CERTAINTIES);
      rebuilt.mark(first, end - first, certainty);
      model.fill(certainty, first, end);
    } else if (action === 30) {
      rebuilt.doubt();
      model.fill(Certainty.UNKNOWN);
    } else if (action === 31) {
      window!.table!.put(first, 0, random.below(2) === 0 ? 0 : 3);
      rebuilt.doubtStored();
      for (let i = 0; i < entries; i++) {
        window!.table!.load(i);
        if (window!.table!.lo !== 0) model[i] = Certainty.UNKNOWN;
      }
    } else if (action < 34) {
      rebuilt.mark(0, entries, Certainty.KNOWN);
      model.fill(Certainty.KNOWN);
    }
    const range = model.subarray(first, end);
    const found = [rebuilt.knows(first), rebuilt.isKnown(first, end - first), rebuilt.certainty(first)];
    const expected = [
      model[first] === Certainty.KNOWN,
      range.every((one) => one === Certainty.KNOWN),
      model[first],
    ];
    if (`${found}` !== `${expected}`) wrong.push(`step ${step}: ${found} of ${first} to ${end}: ${expected}`);
    if (step % 1000 > 0) continue;
    const { inferred, unknown, known, empty } = rebuilt.classes();
    const count3 = (certainty: number): number => model.filter((one) => one === certainty).length;
    const sums = [inferred, unknown, known + empty];
    const counted = [Certainty.INFERRED, Certainty.UNKNOWN, Certainty.KNOWN].map(count3);
    if (`${sums}` !== `${counted}`) wrong.push(`step ${step}: classes ${sums}, not ${counted}`);
  }
  return wrong;
}
