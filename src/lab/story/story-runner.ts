import { IommuError } from "../../base/errors.ts";
import { counted, formatCount } from "../../base/units.ts";
import { Machine } from "../../spapr/machine.ts";
import { RtasToken } from "../../spapr/papr.ts";
import { loadTables, saveTables } from "../../spapr/saved-table.ts";
import { diff } from "../../tce/diff.ts";
import type { TceView } from "../../tce/tce-view.ts";
import { VirtualClock } from "../cost-model.ts";
import { configOfDescription } from "../linux-machine.ts";
import type { ReportCheck } from "../scenario.ts";
import type { ExpectStep, MapStep, Metric, Story, StoryStep, TrafficStep } from "./story.ts";
import { METRICS } from "./story.ts";
import { type Access, type StoryBuffer, StoryMachine } from "./story-machine.ts";
import { holds, numberOf, type StepNumbers } from "./story-numbers.ts";

/** Does the steps of a story on its machines, one after the other. */
export class StoryRunner {
  readonly checks: ReportCheck[] = [];
  readonly clock: VirtualClock = new VirtualClock();
  readonly first: StoryMachine;
  readonly numbers: StepNumbers = {
    right: 0,
    refused: 0,
    wrong: 0,
    status: 0,
    movedEntries: 0,
    blockedSeconds: 0,
  };
  readonly #machines: readonly StoryMachine[];
  #at = 0;
  /** State of the numbers that the seed makes. */
  #random: number;

  constructor(story: Story) {
    const { host: config, otherMachine } = story;
    const on = config === undefined ? undefined : { config, host: undefined };
    const { eeh = false } = story;
    this.first = new StoryMachine(story.machine, this.clock, { host: on, eeh });
    const host = this.first.hosted?.host;
    const other =
      otherMachine === undefined
        ? []
        : [
            new StoryMachine(otherMachine, this.clock, {
              host: config === undefined ? undefined : { config, host },
              eeh,
            }),
          ];
    this.#machines = [this.first, ...other];
    this.#random = story.seed >>> 0;
  }

  /** @returns what came of it, in words */
  step(step: StoryStep, number: number): string {
    const on = this.#machines[this.#at]!;
    switch (step.kind) {
      case "boot":
        on.linux.boot();
        return this.#windows(on);
      case "map":
        return this.#map(on, step);
      case "unmap":
        return this.#unmap(on, step.buffers, step.every ?? 1);
      case "use": {
        const buffers = buffersOf(on, step.buffers);
        return this.#accesses(buffers.map((buffer) => on.use(buffer, step.device)));
      }
      case "traffic":
        return this.#traffic(on, step);
      case "drive":
        return this.#accesses(on.drive(step));
      case "remove-window":
        return this.#removeWindow(on, step.bridge);
      case "pass-through":
        return this.#passThrough(on, step);
      case "take-away": {
        const device = on.passed.get(step.device);
        if (device === undefined || on.hosted === undefined)
          throw new IommuError("BAD_ARGUMENT", `no device "${step.device}" was passed through`);
        on.hosted.unplug(device);
        return `its group is free; ${counted(on.hosted.devices.length, "device")} left`;
      }
      case "migrate":
        return this.#migrate(on);
      case "switch":
        this.#at = 1 - this.#at;
        return "";
      case "expect":
        return this.#expect(on, step, number);
      case "plug-device":
        on.add(step.device);
        on.linux.step(step);
        return this.#windows(on);
      default: {
        if (!on.linux.step(step)) throw new IommuError("UNSUPPORTED", on.linux.notFollowed.at(-1)!);
        return this.#windows(on);
      }
    }
  }

  #windows({ machine }: StoryMachine): string {
    const windows = machine.phbs.flatMap((phb) => phb.windows).filter(({ enabled }) => enabled);
    const entries = windows.reduce((sum, { table }) => sum + (table?.validCount ?? 0), 0);
    return `${counted(windows.length, "window")}, ${counted(entries, "valid TCE")}`;
  }

  #map(on: StoryMachine, step: MapStep): string {
    const made: StoryBuffer[] = [];
    for (let i = 0; i < step.buffers; i++) {
      const at = step.at === undefined ? undefined : step.at + i * step.size;
      const buffer = on.map(step.device, { ...step, at });
      if (buffer !== undefined) made.push(buffer);
    }
    on.buffers.set(step.as, [...(on.buffers.get(step.as) ?? []), ...made]);
    const failed = step.buffers - made.length;
    return `${formatCount(made.length)} mapped${failed === 0 ? "" : `, ${formatCount(failed)} failed`}`;
  }

  #unmap(on: StoryMachine, name: string, every: number): string {
    const all = buffersOf(on, name).filter(({ isMapped }) => isMapped);
    const chosen = all.filter((_, i) => i % every === 0);
    for (const buffer of chosen) on.unmap(buffer);
    return `${formatCount(chosen.length)} of ${formatCount(all.length)} unmapped`;
  }

  #accesses(accesses: readonly Access[]): string {
    const count = (wanted: Access): number => accesses.filter((access) => access === wanted).length;
    const found = { right: count("right"), refused: count("refused"), wrong: count("wrong") };
    Object.assign(this.numbers, found);
    return `${formatCount(found.right)} right, ${formatCount(found.refused)} refused, ${formatCount(found.wrong)} wrong`;
  }

  #traffic(on: StoryMachine, step: TrafficStep): string {
    const { device, operations, sizes, live = 32, leaks = 0, freesEarly = 0 } = step;
    const mapped: StoryBuffer[] = [];
    const lost: StoryBuffer[] = [];
    const accesses: Access[] = [];
    let failed = 0;
    for (let i = 1; i <= operations; i++) {
      const size = sizes[this.#below(sizes.length)]!;
      const direction = (["to-device", "from-device"] as const)[this.#below(2)]!;
      const buffer = on.map(device, { device, as: "", buffers: 1, size, direction });
      if (buffer === undefined) {
        failed++;
        continue;
      }
      const isEarly = freesEarly > 0 && i % freesEarly === 0;
      if (isEarly) on.unmap(buffer);
      accesses.push(on.use(buffer));
      if (isEarly) continue;
      if (leaks > 0 && i % leaks === 0) lost.push(buffer);
      else mapped.push(buffer);
      if (mapped.length <= live) continue;
      const [old] = mapped.splice(this.#below(mapped.length), 1);
      on.unmap(old!);
    }
    for (const buffer of mapped) on.unmap(buffer);
    on.buffers.set(`${device}-lost`, [...(on.buffers.get(`${device}-lost`) ?? []), ...lost]);
    const text = this.#accesses(accesses);
    return failed === 0 ? text : `${text}; ${counted(failed, "failed map")}`;
  }

  /** ibm,remove-pe-dma-window without clearing anything before. */
  #removeWindow(on: StoryMachine, bridge: number): string {
    const fn = on.linux.guest.functions.find(({ domain }) => domain === bridge);
    const own = fn === undefined ? undefined : on.linux.guest.nodeOf(fn)?.own;
    if (own === undefined)
      throw new IommuError("BAD_ARGUMENT", `the guest has no window of its own behind bridge ${bridge}`);
    const [status = 0] = on.machine.rtas(RtasToken.REMOVE_PE_DMA_WINDOW, [own.liobn], 1);
    this.numbers.status = status;
    return `status ${status}; ${this.#windows(on)}`;
  }

  #passThrough(
    on: StoryMachine,
    { as, group, bridge, count = 1 }: Extract<StoryStep, { kind: "pass-through" }>,
  ): string {
    const { hosted } = on;
    if (hosted === undefined) throw new IommuError("BAD_ARGUMENT", "the story has no host");
    let first: string | undefined;
    for (let i = 0; i < count; i++) {
      const name = count === 1 ? as : `${as}${i}`;
      const containers = hosted.connections.length;
      const maps = on.hostMaps;
      const result = hosted.plug(group + i, bridge, name);
      on.passed.set(name, result.ok ? result.device : undefined);
      if (!result.ok) {
        first ??= `${name}: ${result.error}`;
        continue;
      }
      // The first device behind a bridge has its windows replayed, and all memory registered.
      this.#block(() => {
        this.clock.spend("mapCall", on.hostMaps - maps);
        if (hosted.connections.length === containers) return;
        this.clock.spend("pagePinned", on.description.ramBytes / 2 ** hosted.host.pageShift);
        for (const { entries, enabled } of on.machine.phb(bridge).windows) {
          if (!enabled) continue;
          this.clock.spend("tceCopied", entries);
          this.clock.spend("tceWalked", entries);
        }
      });
    }
    const said = first === undefined ? "" : `; ${first}`;
    return `${counted(hosted.devices.length, "device")} in ${counted(hosted.connections.length, "container")}${said}`;
  }

  #migrate(on: StoryMachine): string {
    const tables = saveTables(on.machine);
    const other = new Machine(configOfDescription(on.description));
    // Windows that the guest made are loaded into ones that every machine has, disabled.
    loadTables(other, tables);
    let moved = 0;
    let all = 0;
    this.#block(() => {
      for (const { liobn, table } of tables) {
        if (table === null) continue;
        const there = other.env.liobns.find(0, liobn)?.table;
        moved += there == null ? 0 : table.validCount - differing(table, there);
        all += table.length;
        this.clock.spend("tceSaved", table.length);
      }
    });
    this.numbers.movedEntries = moved;
    return `${formatCount(moved)} valid TCEs of ${formatCount(all)} are in the other machine`;
  }

  #block(work: () => void): void {
    this.clock.block(work);
    this.numbers.blockedSeconds = this.clock.longestBlock;
  }

  #expect(
    on: StoryMachine,
    { numbers = {}, log = [], noLog = [], findings, guestFindings }: ExpectStep,
    number: number,
  ): string {
    const before = this.checks.length;
    const check = (name: string, ok: boolean, detail: string): void => {
      this.checks.push({ name: `step ${number}: ${name}`, ok, detail });
    };
    for (const [name, bound] of Object.entries(numbers)) {
      const metric = name as Metric;
      const found = numberOf(metric, on, this.numbers);
      const wanted = bound.relation === "=" ? String(bound.value) : `${bound.relation} ${bound.value}`;
      check(`${METRICS[metric]}`, holds(bound, found), `${metric}: expected ${wanted}, found ${found}`);
    }
    for (const text of log) {
      const line = on.log.find((one) => one.includes(text));
      check(`the kernel says "${text}"`, line !== undefined, line ?? "no such line");
    }
    for (const text of noLog) {
      const line = on.log.find((one) => one.includes(text));
      check(`the kernel does not say "${text}"`, line === undefined, line ?? "no such line");
    }
    const compareKinds = (name: string, kinds: readonly string[], foundKinds: readonly string[]): void => {
      const [wanted, found] = [[...kinds].sort().join(", ") || "nothing", foundKinds.join(", ") || "nothing"];
      check(name, wanted === found, wanted === found ? wanted : `expected ${wanted}, found ${found}`);
    };
    if (findings !== undefined) compareKinds("what check finds in the trace", findings, on.findingKinds());
    if (guestFindings !== undefined)
      compareKinds("what check finds in the guest's own trace", guestFindings, on.guestFindingKinds());
    const made = this.checks.slice(before);
    const failed = made.filter(({ ok }) => !ok).length;
    return failed === 0
      ? `${formatCount(made.length)} as expected`
      : `${formatCount(failed)} of ${formatCount(made.length)} NOT as expected`;
  }

  /** A number from 0 on, below another one: xorshift of the seed. */
  #below(end: number): number {
    let state = this.#random === 0 ? 0x9e37_79b9 : this.#random;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#random = state >>> 0;
    return this.#random % end;
  }
}

/** Entries that are not the same in two tables. */
function differing(before: TceView, after: TceView): number {
  let entries = 0;
  diff(before, after, (_first, count) => {
    entries += count;
  });
  return entries;
}

function buffersOf(on: StoryMachine, name: string): readonly StoryBuffer[] {
  const buffers = on.buffers.get(name);
  if (buffers !== undefined) return buffers;
  const names = [...on.buffers.keys()];
  const others = names.length === 0 ? "no step mapped any" : `there are ${names.join(", ")}`;
  throw new IommuError("BAD_ARGUMENT", `there are no buffers "${name}": ${others}`, { name });
}
