import type { FlatRange } from "../../src/memory/flat-view.ts";
import { IommuNotifier, NotifierFlag, type NotifierOptions } from "../../src/memory/iommu-notifier.ts";
import { IommuRegion } from "../../src/memory/iommu-region.ts";
import type { MappingRun } from "../../src/memory/mapping-run.ts";
import type { MappedIommu } from "../../src/memory/memory-region.ts";
import type { MemoryListener } from "../../src/memory/memory-system.ts";
import type { DmaWindow } from "../../src/spapr/dma-window.ts";
import { Machine } from "../../src/spapr/machine.ts";
import type { MachineConfig } from "../../src/spapr/machine-config.ts";
import { buidOf, Hcall, RtasToken } from "../../src/spapr/papr.ts";
import { PciDevice } from "../../src/spapr/pci-device.ts";
import type { PciHostBridge } from "../../src/spapr/phb.ts";
import { loadTables, type SavedTable, saveTables } from "../../src/spapr/saved-table.ts";
import type { WindowGeometry } from "../../src/spapr/window-geometry.ts";

export const LIOBN = 0x8000_0000;
/** Entries of the default window. */
export const PAGES = 64;
const PAGE = 0x1000;
const LIST_AT = 0x20_0000;
/** Pages of memory that have something in them. */
const TARGETS = [0x20, 0x77, 0x40, 0x41, 0x42];

/** A notifier that keeps what it is told: page number to `target perm`. */
export class Mirror {
  readonly pages = new Map<number, string>();
  readonly notifier: IommuNotifier;
  /** What it heard, in order. */
  readonly heard: string[] = [];
  /** Called at the next notification, when that is kept. */
  act: (() => void) | null = null;
  /** From now on it is not to be called; what is told all the same is in here. */
  late: string[] | null = null;

  constructor(name: string, options: Partial<NotifierOptions> = {}) {
    this.notifier = new IommuNotifier({
      flags: NotifierFlag.IOTLB_EVENTS,
      ...options,
      name,
      notify: (run) => this.#hear(run),
      notifyCut: (iova, _last, target, perm) => this.#keep(Number(iova) >> 12, 1, target, 0n, perm),
    });
  }

  #hear({ firstPage, pages, target, perm }: MappingRun): void {
    this.#keep(firstPage, pages, target, perm === 0 ? 0n : BigInt(PAGE), perm);
  }

  #keep(first: number, pages: number, target: bigint, step: bigint, perm: number): void {
    const text = `${first}+${pages} ${target} ${perm}`;
    this.heard.push(text);
    this.late?.push(text);
    for (let i = 0; i < pages; i++) {
      if (perm === 0) this.pages.delete(first + i);
      else this.pages.set(first + i, `${target + BigInt(i) * step} ${perm}`);
    }
    const { act } = this;
    this.act = null;
    act?.();
  }

  /** Where it differs from what a table maps, in the pages that it hears of. */
  differs({ table, geometry }: DmaWindow): string[] {
    if (this.late !== null) return this.late.map((text) => `told when gone: ${text}`);
    const { start, last } = this.notifier;
    const end = Math.min(geometry.entries, PAGES);
    const wrong: string[] = [];
    for (let page = 0; page < end; page++) {
      const at = BigInt(page * PAGE);
      if (at + BigInt(PAGE) <= start || at > last) continue;
      const entry = table!.get(page);
      const is = (entry & 3n) === 0n ? undefined : `${entry & ~0xfffn} ${entry & 3n}`;
      if (this.pages.get(page) !== is) wrong.push(`page ${page}: told ${this.pages.get(page)}, is ${is}`);
    }
    return wrong;
  }
}

/** Follows the windows of an address space as VFIO does: a mirror of each, for as long as it is there. */
export class Follower implements MemoryListener {
  readonly name: string;
  readonly priority: number;
  readonly mirrors = new Map<MappedIommu, Mirror>();
  readonly gone: Mirror[] = [];
  /** It is registered; a listener that was taken away follows nothing. */
  following = false;

  constructor(name: string, priority: number) {
    this.name = name;
    this.priority = priority;
  }

  regionAdd({ region }: FlatRange): void {
    const { iommu } = region;
    if (iommu === null || this.mirrors.has(iommu)) return;
    const mirror = new Mirror(`${this.name} of ${region.name}`);
    this.mirrors.set(iommu, mirror);
    iommu.registerNotifier(mirror.notifier);
    iommu.replay(mirror.notifier);
  }

  regionDel({ region }: FlatRange): void {
    const mirror = region.iommu === null ? undefined : this.mirrors.get(region.iommu);
    if (mirror === undefined) return;
    region.iommu!.unregisterNotifier(mirror.notifier);
    this.mirrors.delete(region.iommu!);
    mirror.late = [];
    this.gone.push(mirror);
  }

  /** @param windows those that devices see now: it follows them if it is registered */
  differs(windows: readonly DmaWindow[]): string[] {
    const there = this.following ? windows : [];
    const wrong = there.flatMap(
      (window) => this.mirrors.get(window.iommu)?.differs(window) ?? ["not followed"],
    );
    if (this.mirrors.size !== there.length)
      wrong.push(`follows ${this.mirrors.size} windows of ${there.length}`);
    for (const mirror of this.gone)
      wrong.push(...(mirror.late ?? []).map((text) => `told when gone: ${text}`));
    return wrong.map((text) => `${this.name}: ${text}`);
  }
}

/** How a world is made. */
export interface WorldOptions {
  readonly machine?: MachineConfig;
  /** How the actor hears window 0. */
  readonly actor?: Partial<NotifierOptions>;
  /** Nobody follows the windows, and the actor is not registered. */
  readonly bare?: boolean;
}

/**
 * A machine with two bridges, and those who hear of it: two followers, and
 * between them (newer than one, older than the other) the actor, in whose
 * callbacks calls are made.
 */
export class World {
  readonly options: WorldOptions;
  readonly machine: Machine;
  readonly window: DmaWindow;
  readonly device: PciDevice;
  readonly actor: Mirror;
  readonly actorListener: { -readonly [K in keyof MemoryListener]: MemoryListener[K] } = {
    name: "actor",
    priority: 1,
  };
  readonly older = new Follower("older", 0);
  readonly newer = new Follower("newer", 2);
  /** Registered by a call. */
  readonly extra = new Mirror("extra");
  readonly extraListener = new Follower("extra listener", 0);
  /** An IOMMU of a kind of its own, whose hook hears of changed flags. */
  readonly custom: IommuRegion;
  readonly customMirror = new Mirror("custom");
  onFlags: (() => void) | null = null;
  /** Of window 0 when the world was ready. */
  readonly geometry: WindowGeometry;
  /** The bridge of window 0. */
  readonly phb: PciHostBridge;
  /** The region that notifiers are registered with by calls. */
  subject: IommuRegion;

  constructor(options: WorldOptions = {}) {
    this.options = options;
    this.machine = new Machine({
      ramSize: 1n << 26n,
      phbs: [{ index: 0, dmaWinSize: BigInt(PAGES * PAGE) }, { index: 1 }],
      vio: [{ type: "spapr-vlan" }],
      ...options.machine,
    });
    const { machine } = this;
    const phb = machine.phb(0);
    this.window = phb.windows[0]!;
    this.phb = phb;
    this.geometry = this.window.geometry;
    this.subject = this.window.iommu;
    this.device = new PciDevice(phb, "device");
    this.device.setBusMaster(true);
    this.actor = new Mirror("actor", options.actor);
    this.custom = new IommuRegion(machine.memory, "custom", 0x4000n, {
      target: machine.systemMemory,
      translate: (_hi, _lo, into) => into.outside(),
      notifyFlagChanged: () => {
        const act = this.onFlags;
        this.onFlags = null;
        act?.();
        return undefined;
      },
    });
    for (const page of TARGETS) machine.ram.write(page * PAGE, Uint8Array.of(page, 1, 2, 3));
    for (const [page, value] of [
      [2, 0x20003],
      [3, 0x77002],
      [8, 0x40003],
      [9, 0x41003],
      [10, 0x42003],
      [20, 0x33001],
    ] as const)
      this.put(page, value);
    if (options.bare) return;
    this.follow(this.older);
    this.window.iommu.registerNotifier(this.actor.notifier);
    this.window.iommu.replay(this.actor.notifier);
    machine.memory.register(this.actorListener, phb.addressSpace);
    this.follow(this.newer);
  }

  follow(follower: Follower): void {
    follower.following = true;
    this.machine.memory.register(follower, this.phb.addressSpace);
  }

  unfollow(follower: Follower): void {
    follower.following = false;
    this.machine.memory.unregister(follower);
  }

  put(page: number, value: number): number {
    return this.machine.call(Hcall.PUT_TCE, LIOBN, page * PAGE, value).status;
  }

  list(page: number, values: readonly number[], at: number = LIST_AT): number {
    const bytes = new DataView(new ArrayBuffer(values.length * 8));
    values.forEach((value, i) => {
      bytes.setBigUint64(i * 8, BigInt(value));
    });
    this.machine.ram.write(at, new Uint8Array(bytes.buffer));
    return this.machine.call(Hcall.PUT_TCE_INDIRECT, LIOBN, page * PAGE, at, values.length).status;
  }

  stuff(page: number, value: number, count: number): number {
    return this.machine.call(Hcall.STUFF_TCE, LIOBN, page * PAGE, value, count).status;
  }

  get(page: number): string {
    const { status, registers } = this.machine.call(Hcall.GET_TCE, LIOBN, page * PAGE);
    return `${status} ${status === 0 ? registers.get(4) : ""}`;
  }

  query(): number[] {
    return this.machine.rtas(RtasToken.QUERY_PE_DMA_WINDOW, [0, ...this.#buid()], 5);
  }

  create(pageShift: number, windowShift: number): number[] {
    return this.machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, [0, ...this.#buid(), pageShift, windowShift], 4);
  }

  remove(liobn: number = LIOBN): number[] {
    return this.machine.rtas(RtasToken.REMOVE_PE_DMA_WINDOW, [liobn], 1);
  }

  resetWindows(): number[] {
    return this.machine.rtas(RtasToken.RESET_PE_DMA_WINDOW, [0, ...this.#buid()], 1);
  }

  #buid(): [number, number] {
    const buid = buidOf(0);
    return [Number(buid >> 32n), Number(buid & 0xffff_ffffn)];
  }

  read(page: number): string {
    const bytes = new Uint8Array(4);
    const result = this.device.read(BigInt(page * PAGE), bytes);
    return `${result} ${bytes.join()}`;
  }

  write(page: number): string {
    const result = this.device.write(BigInt(page * PAGE + 8), Uint8Array.of(0xaa, 0xbb));
    const bytes = new Uint8Array(2);
    this.machine.ram.read(0x20008, bytes);
    return `${result} ${bytes.join()}`;
  }

  /** Another world in the state that this one shows now. */
  twin(): World {
    const twin = new World(this.options);
    const { machine } = this;
    const here = machine.phbs.map(({ index }) => index);
    const there = twin.machine.phbs.map(({ index }) => index);
    for (const phb of [...twin.machine.phbs]) if (!here.includes(phb.index)) twin.machine.unplugPhb(phb);
    for (const index of here) if (!there.includes(index)) twin.machine.plugPhb({ index });
    const has = new Set([...twin.machine.env.liobns].map(({ liobn }) => liobn));
    loadTables(
      twin.machine,
      this.save().filter(({ liobn }) => has.has(liobn)),
    );
    const block = new Uint8Array(16);
    for (const page of TARGETS) {
      machine.ram.read(page * PAGE, block);
      twin.machine.ram.write(page * PAGE, block);
    }
    twin.subject = this.subject === this.custom ? twin.custom : twin.window.iommu;
    return twin;
  }

  /** The state of the windows, of which no observer hears. */
  save(): SavedTable[] {
    const { observer } = this.machine;
    const { trace } = observer;
    observer.trace = null;
    const saved = saveTables(this.machine);
    observer.trace = trace;
    return saved;
  }

  /** All windows with all that they hold, as text. */
  state(): string {
    return JSON.stringify(describe(this.save()));
  }

  /** Where somebody was told something else than what is. */
  differs(): string[] {
    const { window, actor, extra } = this;
    const wrong: string[] = [];
    const followers = [this.older, this.newer, this.extraListener];
    const seen = this.phb.addressSpace.view.ranges.map(({ region }) => region);
    const isThere = this.machine.phbs.includes(this.phb);
    const windows = this.phb.windows.filter(({ iommu }) => isThere && seen.includes(iommu));
    wrong.push(...followers.flatMap((follower) => follower.differs(windows)));
    // Those that follow no windows are right for as long as the window they know is there.
    if (window.geometry === this.geometry)
      for (const mirror of this.options.bare ? [extra] : [actor, extra]) {
        if (mirror.late === null && !window.iommu.isRegistered(mirror.notifier)) continue;
        wrong.push(...mirror.differs(window).map((text) => `${mirror.notifier.name}: ${text}`));
      }
    return wrong;
  }
}

/** Saved windows as plain data. */
export function describe(saved: readonly SavedTable[]): unknown {
  return saved.map(({ liobn, table, geometry, defWin, bypass }) => {
    const entries: string[] = [];
    table?.forEachRun(0, table.length, (first, pages, hi, lo, perm) => {
      entries.push(`${first}+${pages} ${hi >>> 0} ${lo >>> 0} ${perm}`);
    });
    const place = geometry === null ? "at 0" : `${geometry.busOffset} ${geometry.pageShift}`;
    return {
      liobn,
      place,
      length: table?.length ?? 0,
      defWin,
      bypass,
      count: table?.validCount ?? 0,
      entries,
    };
  });
}
