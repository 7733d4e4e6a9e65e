import { formatCount, formatTime } from "../base/units.ts";
import { type CostName, costNotes, stallText, stallVerdict, VirtualClock } from "./cost-model.ts";
import type { ReportTable } from "./scenario.ts";

/** What a replay finds, and what the host's kernel has to do then. */
export interface ReplayWork {
  /** TCEs of the window. */
  readonly entries: number;
  /** Pages that are mapped, and the map calls that they take (a run each, or a page each). */
  readonly pages: number;
  readonly mapCalls: number;
  /** Host pages of guest memory that are pinned for the container first. */
  readonly pinnedPages: number;
}

/** How the table of a window is kept: all entries in a row, as QEMU and KVM do, or a tree that counts (this engine). */
export type TableKind = "dense" | "counted";

/** How the mappings of a window that a listener hears of come to the host. */
export interface ReplayStrategyModel {
  readonly name: string;
  /** Is it right for a window with mappings? */
  readonly finds: boolean;
  replay(clock: VirtualClock, work: ReplayWork, table: TableKind): void;
  /** What happens later, in another call of the guest's. */
  later?(clock: VirtualClock, work: ReplayWork, table: TableKind): void;
}

const walk = (clock: VirtualClock, { entries, mapCalls }: ReplayWork): void => {
  clock.spend("tceWalked", entries);
  clock.spend("mapCall", mapCalls);
};

/** The strategies that the scenarios compare. */
export const REPLAY_MODELS: readonly ReplayStrategyModel[] = [
  { name: "page walk (before the change)", finds: true, replay: walk },
  { name: "skip flag (the seed change)", finds: false, replay: () => {} },
  {
    name: "counted walk (this engine)",
    finds: true,
    replay: (clock, { entries, mapCalls }, table) => {
      if (table === "counted") clock.spend("runCounted", mapCalls);
      else clock.spend("tceScanned", entries);
      clock.spend("mapCall", mapCalls);
    },
  },
  {
    name: "wait for the first put (TCG; under KVM it never comes)",
    finds: true,
    replay: () => {},
    later: (clock, work) => {
      clock.spend("hypercallInQemu");
      walk(clock, work);
    },
  },
];

/** A strategy, a table, and what both together cost. */
export interface ModelledReplay {
  readonly strategy: string;
  readonly table: TableKind;
  readonly clock: VirtualClock;
}

/**
 * What each strategy costs with each table; all of it in one call, during which QEMU holds its big lock. A dense table
 * is copied to user space first.
 */
export function modelReplays(work: ReplayWork, models: readonly ReplayStrategyModel[]): ModelledReplay[] {
  return models.flatMap((model) =>
    (["dense", "counted"] as const).map((table) => {
      const clock = new VirtualClock();
      clock.block(() => {
        clock.spend("pagePinned", work.pinnedPages);
        if (table === "dense") clock.spend("tceCopied", work.entries);
        model.replay(clock, work, table);
      });
      if (model.later !== undefined) clock.block(() => model.later!(clock, work, table));
      return { strategy: model.name, table, clock };
    }),
  );
}

/** Who handles the calls by which a guest maps its memory. */
const PATHS: readonly { readonly path: string; readonly call: CostName; readonly mapsByCall: boolean }[] = [
  { path: "KVM, real mode", call: "hypercallInRealMode", mapsByCall: false },
  { path: "KVM, virtual mode", call: "hypercallInKvm", mapsByCall: false },
  { path: "QEMU in user space", call: "hypercallInQemu", mapsByCall: true },
];

/** What a guest's calls cost on each path: each call stops one processor, so that none is long. */
export function pathTable(calls: number, pages: number): ReportTable {
  const rows = PATHS.map(({ path, call, mapsByCall }) => {
    const spendOn = (clock: VirtualClock, count: number, tces: number): void => {
      clock.spend(call, count);
      clock.spend("tceOfCall", tces);
      // In the kernel the host's table is written beside the guest's; QEMU asks for each list.
      if (mapsByCall) clock.spend("mapCall", count);
    };
    const one = new VirtualClock();
    one.block(() => spendOn(one, 1, Math.ceil(pages / calls)));
    const all = new VirtualClock();
    spendOn(all, calls, pages);
    return [
      path,
      formatTime(one.longestBlock),
      stallText(one.longestBlock),
      formatTime(all.seconds),
      all.explanation,
    ];
  });
  return {
    title: `The guest's ${formatCount(calls)} calls that map all memory, by who handles them (modelled for a real system, not measured)`,
    columns: ["path", "the longest call", "Linux reports", "all of them", "of which"],
    rows,
  };
}

/** The costs as a table. */
export const modelTable = (title: string, replays: readonly ModelledReplay[]): ReportTable => ({
  title: `${title} (modelled for a real system, not measured)`,
  columns: ["strategy", "table", "the guest stands still", "Linux reports", "of which"],
  rows: replays.map(({ strategy, table, clock }) => [
    strategy,
    table,
    formatTime(clock.longestBlock),
    stallText(clock.longestBlock),
    clock.explanation,
  ]),
});

export const modelNotes = (replays: readonly ModelledReplay[]): string[] => [
  "Modelled times are counts of this run times costs of real systems; a soft lockup is reported after 20 s (2 x watchdog_thresh), an RCU stall after 21 s.",
  ...costNotes(replays.map(({ clock }) => clock)),
];

/** The same as numbers. */
export const modelData = (replays: readonly ModelledReplay[]): object[] =>
  replays.map(({ strategy, table, clock }) => ({
    strategy,
    table,
    blockedSeconds: clock.longestBlock,
    totalSeconds: clock.seconds,
    ...stallVerdict(clock.longestBlock),
    spent: clock.spent,
  }));
