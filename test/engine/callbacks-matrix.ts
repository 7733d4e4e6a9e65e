import { expect, it } from "vitest";
import { IommuError } from "../../src/base/errors.ts";
import type { NotifierOptions } from "../../src/memory/iommu-notifier.ts";
import type { Accelerator } from "../../src/spapr/accelerator.ts";
import { RtasToken } from "../../src/spapr/papr.ts";
import { loadTables, saveTables } from "../../src/spapr/saved-table.ts";
import type { ReplayStrategy } from "../../src/spapr/window-replay.ts";
import { describe as described, LIOBN, Mirror, World, type WorldOptions } from "./world.ts";

/**
 * Every public call from inside of every callback: two tables, and a check
 * that takes any pair of them. What is right is said by worlds without nested
 * calls: a twin in the state that the callback saw does the inner call, and
 * others do the outer and the inner call one after another.
 */

/** A call that is made from a callback. */
interface Call {
  readonly name: string;
  /** Its result, as plain data. */
  run(world: World): unknown;
  /** Changes entries without telling anybody: mirrors are not compared behind it. */
  readonly silent?: true;
  /** It throws {@link BOOM}, in the callback. */
  readonly throws?: true;
  /** It goes by the layout as listeners know it, which may be that behind the outer call. */
  readonly byLayout?: true;
  /** It is several calls, which may lie on both sides of the outer one. */
  readonly several?: true;
  /** It shows a bridge that is half gone. */
  readonly showsHalves?: true;
}

const BOOM = "boom";

const saved = saveTables(new World({ bare: true }).machine);

const CALLS: readonly Call[] = [
  { name: "H_PUT_TCE elsewhere", run: (w) => w.put(30, 0x99003) },
  { name: "H_PUT_TCE of the same page", run: (w) => w.put(1, 0x99001) },
  { name: "H_PUT_TCE of a page behind", run: (w) => w.put(3, 0x99001) },
  { name: "H_PUT_TCE that unmaps the same page", run: (w) => w.put(1, 0) },
  { name: "H_PUT_TCE outside of the window", run: (w) => w.put(64, 0x99003) },
  { name: "H_PUT_TCE_INDIRECT elsewhere", run: (w) => w.list(40, [0xa3, 0xb0003, 0xc0001, 0], 0x30_0000) },
  {
    name: "H_PUT_TCE_INDIRECT over all",
    run: (w) => w.list(0, [0xd0003, 0xd1003, 0, 0xd2003, 0xd3003, 0xd9003], 0x30_0000),
  },
  { name: "H_PUT_TCE_INDIRECT past the end", run: (w) => w.list(62, [0xe0003, 0xf0003, 0xa0003], 0x30_0000) },
  { name: "H_STUFF_TCE that maps", run: (w) => w.stuff(2, 0x55003, 3) },
  { name: "H_STUFF_TCE that unmaps all", run: (w) => w.stuff(0, 0, 64) },
  { name: "H_GET_TCE of the same page", run: (w) => w.get(1) },
  { name: "H_GET_TCE of another page", run: (w) => w.get(8) },
  { name: "ibm,query-pe-dma-window", run: (w) => w.query() },
  { name: "ibm,create-pe-dma-window", run: (w) => w.create(16, 24) },
  { name: "ibm,remove-pe-dma-window", run: (w) => w.remove() },
  { name: "ibm,remove-pe-dma-window of window 1", run: (w) => w.remove(LIOBN + 1) },
  {
    name: "ibm,remove-pe-dma-window and create",
    run: (w) => [w.remove(), w.create(12, 18), w.put(5, 0x5003)],
    several: true,
  },
  { name: "ibm,reset-pe-dma-window", run: (w) => w.resetWindows() },
  { name: "ibm,set-tce-bypass", run: (w) => w.machine.rtas(RtasToken.SET_TCE_BYPASS, [0x71000001, 1], 1) },
  { name: "quiesce", run: (w) => w.machine.rtas(RtasToken.QUIESCE, [], 1) },
  { name: "a hypercall that there is not", run: (w) => w.machine.call(0x7000).status },
  { name: "machine.reset", run: (w) => w.machine.reset() },
  { name: "machine.plugPhb", run: (w) => w.machine.plugPhb({ index: 5 }).name },
  { name: "machine.plugPhb that is there", run: (w) => w.machine.plugPhb({ index: 1 }).name },
  { name: "machine.unplugPhb of another bridge", run: (w) => w.machine.unplugPhb(w.machine.phb(1)) },
  { name: "machine.unplugPhb of the bridge itself", run: (w) => w.machine.unplugPhb(w.machine.phb(0)) },
  { name: "region.replay", run: (w) => replayed((m) => w.window.iommu.replay(m.notifier)) },
  { name: "region.replayByPages", run: (w) => replayed((m) => w.window.iommu.replayByPages(m.notifier)) },
  { name: "region.replay of the actor", run: (w) => void w.window.iommu.replay(w.actor.notifier) },
  {
    name: "registerNotifier",
    run: (w) => {
      w.subject.registerNotifier(w.extra.notifier);
      w.subject.replay(w.extra.notifier);
    },
  },
  { name: "registerNotifier of one that is there", run: (w) => w.subject.registerNotifier(w.actor.notifier) },
  {
    name: "unregisterNotifier of itself",
    run: (w) => {
      const mirror = w.subject === w.custom ? w.customMirror : w.actor;
      w.subject.unregisterNotifier(mirror.notifier);
      mirror.late = [];
    },
  },
  {
    name: "unregisterNotifier of an older one",
    run: (w) => {
      const mirror = w.older.mirrors.get(w.window.iommu);
      if (mirror === undefined) return;
      w.window.iommu.unregisterNotifier(mirror.notifier);
      mirror.late = [];
    },
  },
  { name: "memory.register", run: (w) => w.follow(w.extraListener) },
  { name: "memory.unregister of a newer one", run: (w) => w.unfollow(w.newer) },
  { name: "memory.unregister of itself", run: (w) => w.machine.memory.unregister(w.actorListener) },
  { name: "DMA from memory", run: (w) => w.read(2), byLayout: true },
  { name: "DMA from an unmapped page", run: (w) => w.read(50) },
  { name: "DMA to memory", run: (w) => w.write(2), byLayout: true },
  { name: "saveTables", run: (w) => described(saveTables(w.machine)), showsHalves: true },
  { name: "loadTables", run: (w) => loadTables(w.machine, saved), silent: true, showsHalves: true },
  { name: "throw", run: () => {}, throws: true },
];

/** What a replay tells a notifier that is not registered. */
function replayed(replay: (mirror: Mirror) => unknown): unknown {
  const mirror = new Mirror("asked");
  replay(mirror);
  return [...mirror.pages];
}

/** A callback, and the outer call that makes it. */
interface Place {
  readonly name: string;
  readonly world?: WorldOptions;
  /** Brings the world to where the outer call is made. */
  readonly prepare?: (world: World) => void;
  /** Makes the callback call `act`, once. */
  arm(world: World, act: () => void): void;
  /** The outer call; its result, as plain data. */
  outer(world: World): unknown;
  /**
   * The orders in which the two calls may look to have been made; the first
   * unless it says more. Each does both on a world, and returns the outer result.
   */
  readonly orders?: readonly ((world: World, outer: () => unknown, inner: () => void) => unknown)[];
  /** Entries change without anybody being told. */
  readonly silent?: true;
  /** An error of the callback ends the outer call, which has done so much by then. */
  readonly endedByError?: "nothing" | "all";
  /** The machine does not look the same to a call in the callback as to one behind it; there is no twin. */
  readonly between?: true;
  /** The layout changes between the parts of the call. */
  readonly layout?: true;
}

type Order = NonNullable<Place["orders"]>[number];

const ordersOf = (place: Place): readonly Order[] => place.orders ?? [outerFirst];

const outerFirst: Order = (_world, outer, inner) => {
  const result = outer();
  inner();
  return result;
};
const innerFirst: Order = (_world, outer, inner) => {
  inner();
  return outer();
};

/** A list is stored run by run, and ends where its window ends to be what it was. */
const listOrder =
  (page: number, values: readonly number[]): Order =>
  (world, _outer, inner) => {
    world.list(page, values.slice(0, 1));
    const { geometry } = world.window;
    inner();
    return world.window.geometry === geometry ? world.list(page + 1, values.slice(1)) : -4;
  };

/** A replay is complete unless the window or the notifier went away. */
const replayOrder: Order = (world, _outer, inner) => {
  const { geometry, iommu } = world.window;
  inner();
  return world.window.geometry === geometry && iommu.isRegistered(world.actor.notifier);
};

const APART = [0x100003, 0x200001, 0, 0x300003, 0x380003];
const IN_A_ROW = [0x100003, 0x101003, 0x102003, 0x103003];

const hears = (world: World, act: () => void): void => {
  world.actor.act = act;
};

/** Calls that change entries, heard by a notifier of all the window, and by one whose range cuts pages 1 and 5. */
const changes = (["notify", "notifyCut"] as const).flatMap((callback): Place[] => {
  const actor: Partial<NotifierOptions> = callback === "notify" ? {} : { start: 0x1800n, last: 0x57ffn };
  const base = { world: { actor }, arm: hears };
  return [
    { ...base, name: `${callback} of a put`, outer: (w) => w.put(1, 0x100003) },
    { ...base, name: `${callback} of a put that unmaps`, outer: (w) => w.put(1, 0) },
    {
      ...base,
      name: `${callback} of a list whose targets lie apart`,
      outer: (w) => w.list(1, APART),
      orders: [listOrder(1, APART)],
    },
    { ...base, name: `${callback} of a list in a row`, outer: (w) => w.list(1, IN_A_ROW) },
    {
      ...base,
      name: `${callback} of a list of one target`,
      outer: (w) => w.list(1, [0x7003, 0x7003, 0x7003]),
    },
    { ...base, name: `${callback} of a list that unmaps`, outer: (w) => w.list(1, [0, 0, 0, 0]) },
    { ...base, name: `${callback} of a fill that maps`, outer: (w) => w.stuff(1, 0x7003, 5) },
    { ...base, name: `${callback} of a fill that unmaps`, outer: (w) => w.stuff(1, 0, 5) },
  ];
});

const replays = (["counted-walk", "page-walk"] as const).flatMap(
  (replayStrategy: ReplayStrategy): Place[] => {
    const place = (name: string, actor: Partial<NotifierOptions>): Place => ({
      name: `${name} of a ${replayStrategy}`,
      world: { actor, machine: { replayStrategy } },
      arm: hears,
      outer: (w) => w.window.iommu.replay(w.actor.notifier).complete,
      orders: [replayOrder],
      endedByError: "all",
    });
    return [
      place("notify", {}),
      place("notify of a cropped replay", { cropReplay: true, start: 0x3000n, last: 0x9fffn }),
      place("notifyCut of a cropped replay", { cropReplay: true, start: 0x2800n, last: 0x97ffn }),
    ];
  },
);

type Heard = "regionAdd" | "regionDel" | "begin" | "commit";

const layouts = (["regionAdd", "regionDel", "begin", "commit"] as const).flatMap((callback: Heard) => {
  const arm: Place["arm"] = (world, act) => {
    world.actorListener[callback] = () => {
      delete world.actorListener[callback];
      act();
    };
  };
  const either = { arm, orders: [outerFirst, innerFirst], layout: true as const };
  const places: Place[] = [
    { ...either, name: `${callback} of ibm,reset-pe-dma-window`, outer: (w) => w.resetWindows() },
    { ...either, name: `${callback} of machine.reset`, outer: (w) => w.machine.reset(), silent: true },
  ];
  if (callback !== "regionDel")
    places.push(
      { ...either, name: `${callback} of ibm,create-pe-dma-window`, outer: (w) => w.create(16, 24) },
      {
        ...either,
        name: `${callback} of the first window's creation`,
        prepare: (w) => {
          w.create(16, 24);
          w.remove();
          w.remove(LIOBN + 1);
          w.remove();
        },
        outer: (w) => w.create(12, 18),
      },
    );
  if (callback !== "regionAdd")
    places.push({
      ...either,
      name: `${callback} of ibm,remove-pe-dma-window`,
      prepare: (w) => void w.create(16, 24),
      outer: (w) => w.remove(),
    });
  if (callback !== "regionAdd")
    places.push({
      ...either,
      name: `${callback} of machine.unplugPhb`,
      outer: (w) => w.machine.unplugPhb(w.phb),
      between: true,
    });
  return places;
});

/** The trace events of calls: each comes behind what it tells of. */
const traces = [
  { event: "spapr_iommu_pci_put", outer: (w: World) => w.put(1, 0x100003) },
  { event: "spapr_iommu_pci_get", outer: (w: World) => w.get(2) },
  { event: "spapr_iommu_pci_indirect", outer: (w: World) => w.list(1, APART) },
  { event: "spapr_iommu_pci_stuff", outer: (w: World) => w.stuff(1, 0x7003, 5) },
  { event: "spapr_iommu_ddw_query", outer: (w: World) => w.query() },
  { event: "spapr_iommu_ddw_create", outer: (w: World) => w.create(16, 24) },
  { event: "spapr_iommu_ddw_remove", outer: (w: World) => w.remove(), orders: [outerFirst, innerFirst] },
  { event: "spapr_iommu_ddw_reset", outer: (w: World) => w.resetWindows() },
  { event: "spapr_iommu_new_table", outer: (w: World) => w.create(16, 24) },
  { event: "spapr_iommu_xlate", outer: (w: World) => w.read(2), endedByError: "all" as const },
  {
    event: "spapr_iommu_pre_save",
    outer: (w: World) => described(saveTables(w.machine).slice(0, 1)),
    endedByError: "all" as const,
  },
  {
    event: "spapr_iommu_post_load",
    outer: (w: World) => loadTables(w.machine, saved.slice(0, 1)),
    silent: true as const,
  },
].map(
  ({ event, ...place }): Place => ({
    ...place,
    name: `observer.trace of ${event}`,
    arm: ({ machine: { observer } }, act) => {
      observer.trace = ({ name }) => {
        if (name !== event) return;
        observer.trace = null;
        act();
      };
    },
  }),
);

const reports = [
  { hook: "refusal" as const, what: "a put", outer: (w: World) => w.put(64, 0x100003) },
  { hook: "refusal" as const, what: "a list past the end", outer: (w: World) => w.list(63, APART) },
  { hook: "refusal" as const, what: "a fill past the end", outer: (w: World) => w.stuff(60, 0x7003, 5) },
  { hook: "refusal" as const, what: "a read", outer: (w: World) => w.get(64) },
  { hook: "refusal" as const, what: "a removal", outer: (w: World) => w.remove(LIOBN + 1) },
  { hook: "refusal" as const, what: "a number", outer: (w: World) => w.machine.call(0x7000).status },
  { hook: "hazard" as const, what: "a page shift", outer: (w: World) => w.create(70, 80) },
  { hook: "hazard" as const, what: "a window of no entries", outer: (w: World) => w.create(12, 44) },
].map(
  ({ hook, what, outer }): Place => ({
    name: `observer.${hook} of ${what}`,
    outer,
    arm: ({ machine: { observer } }, act) => {
      observer[hook] = () => {
        observer[hook] = null;
        act();
      };
    },
  }),
);

/** An accelerator that hands every call on, after a callback. */
class Watcher implements Accelerator {
  readonly tiesTables = false;
  act: (() => void) | null = null;
  hcall(): number {
    const { act } = this;
    this.act = null;
    act?.();
    return 9999;
  }
  createTable(): null {
    return null;
  }
  releaseTable(): void {}
}

const others: readonly Place[] = [
  {
    name: "onDmaFault",
    arm: ({ machine: { memory } }, act) => {
      memory.onDmaFault = () => {
        memory.onDmaFault = null;
        act();
      };
    },
    outer: (w) => w.read(50),
  },
  {
    name: "accelerator.hcall",
    world: { machine: { accelerator: () => new Watcher() } },
    arm: ({ machine }, act) => {
      (machine.env.accelerator as Watcher).act = act;
    },
    outer: (w) => w.put(1, 0x100003),
    orders: [innerFirst],
    endedByError: "nothing",
  },
  {
    name: "notifyFlagChanged of a custom region",
    prepare: (w) => {
      w.subject = w.custom;
    },
    arm: (world, act) => {
      world.onFlags = act;
    },
    outer: (w) => w.custom.registerNotifier(w.customMirror.notifier),
  },
  {
    name: "notifyFlagChanged of a custom region that loses its notifier",
    prepare: (w) => {
      w.subject = w.custom;
      w.custom.registerNotifier(w.customMirror.notifier);
    },
    arm: (world, act) => {
      world.onFlags = act;
    },
    outer: (w) => w.custom.unregisterNotifier(w.customMirror.notifier),
  },
  {
    name: "observer.trace of a window's first notifier",
    world: { bare: true },
    arm: ({ machine: { observer } }, act) => {
      observer.trace = () => {
        observer.trace = null;
        act();
      };
    },
    outer: (w) => w.window.iommu.registerNotifier(w.actor.notifier),
  },
];

const PLACES: readonly Place[] = [...changes, ...replays, ...layouts, ...traces, ...reports, ...others];

/** The result of a call as text, or the error that it ended with. */
function outcome(call: () => unknown): string {
  try {
    return JSON.stringify(call() ?? null);
  } catch (error) {
    if (error instanceof IommuError) return `${error.code}: ${error.message}`;
    if (error instanceof Error && error.message === BOOM) return BOOM;
    throw error;
  }
}

function worldOf(place: Place): World {
  const world = new World(place.world);
  place.prepare?.(world);
  return world;
}

/** What both calls come to, in one of the orders that a place allows: outer result, end, inner result. */
interface Ending {
  readonly outer: string;
  readonly state: string;
  readonly inner: string;
}

/** @param inner null: nothing is called in the callback */
function ending(place: Place, order: Order, call: Call, inner: ((world: World) => string) | null): Ending {
  const model = worldOf(place);
  let result = "";
  const act = (): void => {
    if (inner !== null) result = inner(model);
  };
  const outer =
    call.throws && place.endedByError === "nothing"
      ? BOOM
      : outcome(() => order(model, () => place.outer(model), act));
  return { outer: call.throws ? BOOM : outer, state: model.state(), inner: result };
}

/** A cell of the matrix: what is wrong with it, and whether the call was refused for where it was made. */
interface Cell {
  readonly wrong: readonly string[];
  readonly refused?: string | undefined;
}

/** @param alone what the outer call comes to if nothing is called on its machine; else both are made on one machine */
function check(place: Place, call: Call, alone: Ending | null): Cell {
  const wrong: string[] = [];
  const world = worldOf(place);
  const other = alone === null ? world : new World();
  const inOrder =
    alone === null && (place.between === true || (place.layout === true && call.byLayout === true));
  const result = (one: World): string => outcome(() => call.run(one));
  let refused: string | undefined;
  let inner = "";
  let state = "";
  let acted = 0;
  place.arm(world, () => {
    acted++;
    const twin = inOrder ? undefined : other.twin();
    inner = result(other);
    state = other.state();
    if (twin !== undefined) {
      const right = result(twin);
      if (inner !== right && inner.startsWith("REGION_MISUSE")) refused = inner;
      else if (inner !== right) wrong.push(`the inner call gives ${inner}, not ${right}`);
      else if (state !== twin.state()) wrong.push(`the inner call leaves ${state}, not ${twin.state()}`);
    }
    if (call.throws) throw new Error(BOOM);
  });
  const outer = outcome(() => place.outer(world));
  if (acted !== 1) wrong.push(`called back ${acted} times`);
  const end = world.state();
  const expected: Ending[] = [];
  const isOne = (alone === null ? ordersOf(place) : [null]).some((order) => {
    const one = order === null ? alone! : ending(place, order, call, refused === undefined ? result : null);
    expected.push(one);
    const isSame = !inOrder || call.several || call.showsHalves || one.inner === inner;
    return isSame && one.outer === outer && one.state === end;
  });
  if (!isOne)
    wrong.push(`ends as ${JSON.stringify([outer, end, inner])}, not as ${JSON.stringify(expected)}`);
  if (alone !== null && other.state() !== state)
    wrong.push("the other machine changed behind the inner call");
  if (!place.silent && !call.silent && refused === undefined)
    for (const one of new Set([world, other])) {
      wrong.push(...one.differs());
      // All works as before: windows go and come, and their changes are heard.
      const after = outcome(() => [one.resetWindows(), one.create(16, 24), one.put(7, 0x7003)]);
      if (!after.startsWith("[")) wrong.push(`calls behind it end with ${after}`);
      wrong.push(...one.differs().map((text) => `behind it: ${text}`));
    }
  return { wrong, refused };
}

/** Who is told of changed flags cannot change the notifiers of the region. */
const REFUSED: readonly string[] = [
  ["notifyFlagChanged of a custom region", "registerNotifier", "extra", "custom"],
  ["notifyFlagChanged of a custom region", "registerNotifier of one that is there", "actor", "custom"],
  ["notifyFlagChanged of a custom region", "unregisterNotifier of itself", "custom", "custom"],
  ["notifyFlagChanged of a custom region that loses its notifier", "registerNotifier", "extra", "custom"],
  [
    "notifyFlagChanged of a custom region that loses its notifier",
    "registerNotifier of one that is there",
    "actor",
    "custom",
  ],
  ["observer.trace of a window's first notifier", "registerNotifier", "extra", "tce-iommu-80000000"],
  [
    "observer.trace of a window's first notifier",
    "registerNotifier of one that is there",
    "actor",
    "tce-iommu-80000000",
  ],
  [
    "observer.trace of a window's first notifier",
    "unregisterNotifier of itself",
    "actor",
    "tce-iommu-80000000",
  ],
  [
    "observer.trace of a window's first notifier",
    "memory.register",
    "extra listener of tce-iommu-80000000",
    "tce-iommu-80000000",
  ],
].map(
  ([place, call, who, region]) =>
    `${place}: ${call}: REGION_MISUSE: notifier ${who}: the notifiers of ${region} are being changed`,
);

/**
 * Calls from inside of every callback, on the same machine and on another one.
 *
 * @param here which part of the calls is made on the same machine: all with 1, every third in turn with 3
 * @param elsewhere the same for another machine
 */
export function callFromCallbacks(here: number, elsewhere: number): void {
  const refused: string[] = [];

  it.each(PLACES.map((place, number) => [place.name, place, number] as const))(
    "%s: any call, on the same machine and on another one",
    (_name, place, number) => {
      const wrong: string[] = [];
      const [plain, thrown] = [false, true].map((throws) => {
        const call = CALLS.find((one) => (one.throws ?? false) === throws)!;
        return ending(place, ordersOf(place)[0]!, call, null);
      });
      CALLS.forEach((call, i) => {
        const same = (i + number) % here === 0 ? [null] : [];
        const other = (i + number) % elsewhere === 0 ? [call.throws ? thrown! : plain!] : [];
        for (const alone of [...same, ...other]) {
          const where = `${call.name}${alone === null ? "" : ", on another machine"}`;
          const cell = check(place, call, alone);
          wrong.push(...cell.wrong.map((text) => `${where}: ${text}`));
          if (cell.refused !== undefined) refused.push(`${place.name}: ${where}: ${cell.refused}`);
        }
      });
      expect(wrong).toEqual([]);
    },
  );

  it("are refused in a few places only", () => {
    if (here === 1) expect(refused).toEqual(REFUSED);
    else expect(REFUSED).toEqual(expect.arrayContaining(refused));
  });
}
