import type { FlatRange } from "../../src/memory/flat-view.ts";
import { IommuNotifier, NotifierFlag } from "../../src/memory/iommu-notifier.ts";
import type { MappingRun } from "../../src/memory/mapping-run.ts";
import type { MemoryListener } from "../../src/memory/memory-system.ts";
import type { DmaWindow } from "../../src/spapr/dma-window.ts";
import { Machine } from "../../src/spapr/machine.ts";
import { buidOf, Hcall, RtasToken } from "../../src/spapr/papr.ts";
import { PciDevice } from "../../src/spapr/pci-device.ts";
import type { WindowGeometry } from "../../src/spapr/window-geometry.ts";
import { Random } from "../helpers/random.ts";

/** The pages that all calls are of, around the border of two leaves of the table. */
const FIRST = 492;
const PAGES = 40;
const LEAF = 512;
/** Calls inside of calls. */
const MAX_DEPTH = 3;
const BOOM = new Error("boom");

/** A call that is not done: what of its entries is still to be stored comes behind the callback that runs now. */
interface Active {
  readonly window: DmaWindow | null;
  readonly geometry: WindowGeometry | null;
  /** Values of a list, each of which is stored when it is told. */
  readonly values: readonly number[];
  readonly first: number;
  done: number;
  /** An error in its callback would end it half way. */
  readonly isReplay: boolean;
}

/** What a notifier was told of one window: a value for each page, as entries have them. */
class Ear {
  readonly told = new Float64Array(PAGES);
  readonly window: DmaWindow;
  readonly notifier: IommuNotifier;
  readonly firstPage: number;
  readonly endPage: number;
  gone = false;

  constructor(
    window: DmaWindow,
    firstPage: number,
    endPage: number,
    heard: (ear: Ear, run: MappingRun) => void,
  ) {
    this.window = window;
    this.firstPage = firstPage;
    this.endPage = endPage;
    this.notifier = new IommuNotifier({
      name: "ear",
      flags: NotifierFlag.IOTLB_EVENTS,
      cropReplay: true,
      start: BigInt(firstPage) << 12n,
      last: (BigInt(endPage) << 12n) - 1n,
      notify: (run) => heard(this, run),
    });
  }

  keep({ firstPage, pages, targetLo, perm }: MappingRun): void {
    const end = Math.min(firstPage + pages, FIRST + PAGES);
    for (let page = Math.max(firstPage, FIRST); page < end; page++)
      this.told[page - FIRST] = perm === 0 ? 0 : (targetLo >>> 0) + (page - firstPage) * 0x1000 + perm;
  }
}

/** Follows the windows that devices see, each with an ear. */
class Follower implements MemoryListener {
  readonly name = "follower";
  readonly priority: number;
  readonly ears = new Map<DmaWindow, Ear>();
  readonly #walk: Walk;

  constructor(walk: Walk, priority: number) {
    this.#walk = walk;
    this.priority = priority;
  }

  regionAdd({ region }: FlatRange): void {
    const window = this.#walk.windows.find(({ iommu }) => iommu === region);
    if (window === undefined) return;
    this.#walk.open(this, window);
    this.#walk.maybeNest();
  }

  regionDel({ region }: FlatRange): void {
    const window = this.#walk.windows.find(({ iommu }) => iommu === region);
    if (window === undefined) return;
    this.#walk.maybeNest();
    this.#walk.close(this, window);
  }

  begin(): void {
    this.#walk.maybeNest();
  }

  commit(): void {
    this.#walk.maybeNest();
  }
}

/**
 * Random calls, and calls in their callbacks, against a naive model: an array
 * of entries for each window, written in the order in which calls are to take
 * effect, and what each notifier was told.
 */
class Walk {
  readonly machine = new Machine({ ramSize: 1n << 24n, phbs: [{ index: 0, dmaWinSize: 1n << 22n }] });
  readonly windows = this.machine.phb(0).windows;
  /** Calls that were made, in callbacks or not. */
  steps = 0;
  /** Those in callbacks. */
  nested = 0;
  readonly #random: Random;
  readonly #device = new PciDevice(this.machine.phb(0), "device");
  readonly #followers: (Follower | null)[] = [null, null, null];
  /** A window that begins anew has another geometry, and no entries. */
  readonly #entries = new WeakMap<WindowGeometry, Float64Array>();
  readonly #active: Active[] = [];

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#device.setBusMaster(true);
    for (const at of this.#followers.keys()) this.#toggle(at);
  }

  run(steps: number): void {
    while (this.steps < steps) {
      this.#step();
      if (this.#random.below(4) === 0) this.#compare();
    }
    this.#compare();
  }

  /** In a callback: now and then another call. */
  maybeNest(): void {
    if (this.#active.length >= MAX_DEPTH || this.#random.below(8) !== 0) return;
    this.nested++;
    this.#step();
  }

  open(follower: Follower, window: DmaWindow): void {
    const random = this.#random;
    const cut = random.below(3) === 0 ? random.below(PAGES / 2) : 0;
    const ear = new Ear(window, FIRST + cut, FIRST + PAGES - (cut >> 1), (one, run) => this.#hear(one, run));
    follower.ears.get(window)?.window.iommu.unregisterNotifier(follower.ears.get(window)!.notifier);
    follower.ears.set(window, ear);
    window.iommu.registerNotifier(ear.notifier);
    this.#during(null, true, () => window.iommu.replay(ear.notifier));
  }

  close(follower: Follower, window: DmaWindow): void {
    const ear = follower.ears.get(window);
    if (ear === undefined) return;
    ear.gone = true;
    window.iommu.unregisterNotifier(ear.notifier);
    follower.ears.delete(window);
  }

  #hear(ear: Ear, run: MappingRun): void {
    if (ear.gone) throw new Error("a notifier was called that had been taken away");
    ear.keep(run);
    const active = this.#active.at(-1);
    if (active !== undefined && active.window === ear.window) this.#store(active, run.firstPage + 1);
    this.maybeNest();
    if (active?.isReplay === false && this.#random.below(64) === 0) throw BOOM;
  }

  /** The entries of a list up to before page `end` are stored. */
  #store(active: Active, end: number): void {
    const { first, values, geometry } = active;
    if (geometry === null || active.window!.geometry !== geometry) return;
    const entries = this.#of(geometry);
    for (; active.done < values.length && first + active.done < end; active.done++)
      entries[first + active.done - FIRST] = values[active.done]!;
  }

  #of(geometry: WindowGeometry): Float64Array {
    let entries = this.#entries.get(geometry);
    if (entries === undefined) {
      entries = new Float64Array(PAGES);
      this.#entries.set(geometry, entries);
    }
    return entries;
  }

  /** Makes one call; undefined if a callback threw. */
  #during<T>(
    list: Omit<Active, "done" | "isReplay"> | null,
    isReplay: boolean,
    call: () => T,
  ): T | undefined {
    const active: Active = { window: null, geometry: null, values: [], first: 0, ...list, done: 0, isReplay };
    this.#active.push(active);
    try {
      return call();
    } catch (error) {
      if (error !== BOOM) throw error;
      return undefined;
    } finally {
      this.#active.pop();
      this.#store(active, Number.POSITIVE_INFINITY);
    }
  }

  #step(): void {
    this.steps++;
    const random = this.#random;
    const window = random.pick(this.windows);
    const at = random.below(PAGES);
    const page = FIRST + at;
    switch (random.below(window.enabled ? 32 : 48)) {
      case 0:
        this.#rtas(RtasToken.REMOVE_PE_DMA_WINDOW, [window.liobn], 1);
        break;
      case 1:
        if (random.below(4) === 0) this.#reset();
        else this.#windows(RtasToken.RESET_PE_DMA_WINDOW, [], 1);
        break;
      case 2:
      case 3:
        this.#toggle(random.below(3));
        break;
      case 4:
      case 5:
        this.#replace(random.pick(this.#followers), window);
        break;
      case 6:
      case 7:
        this.#list(window, page, this.#apart(1 + random.below(PAGES - at)));
        break;
      case 8:
      case 9:
        this.#row(window, page, 1 + random.below((page < LEAF ? LEAF : FIRST + PAGES) - page));
        break;
      case 10:
      case 11:
        this.#fill(window, page, 1 + random.below(PAGES - at));
        break;
      case 12:
      case 13:
      case 14:
        this.#get(window, page);
        break;
      case 15:
        this.#read(page);
        break;
      default:
        if (window.enabled) this.#put(window, page);
        else this.#windows(RtasToken.CREATE_PE_DMA_WINDOW, [12, 22], 4);
    }
  }

  #value(): number {
    const random = this.#random;
    return random.below(3) === 0 ? 0 : random.below(0x1000) * 0x1000 + random.below(4);
  }

  /** Values no two of which follow each other, so that each is stored and told on its own. */
  #apart(count: number): number[] {
    const values: number[] = [];
    for (let i = 0; i < count; i++) {
      const target = 0x100 + (i & 1) * 0x800 + this.#random.below(0x200) * 2;
      values.push(target * 0x1000 + 1 + this.#random.below(3));
    }
    return values;
  }

  #call(window: DmaWindow, opcode: number, page: number, ...rest: number[]): number {
    const ioba = window.busOffset + (BigInt(page) << 12n);
    return this.machine.call(opcode, window.liobn, ioba, ...rest).status;
  }

  #put(window: DmaWindow, page: number): void {
    const value = this.#value();
    this.#of(window.geometry)[page - FIRST] = value;
    const status = this.#during(null, false, () => this.#call(window, Hcall.PUT_TCE, page, value));
    if (status !== undefined && status !== 0) throw new Error(`put of page ${page} = ${status}`);
  }

  #fill(window: DmaWindow, page: number, count: number): void {
    if (!window.enabled) return;
    const value = this.#value();
    this.#of(window.geometry).fill(value, page - FIRST, page - FIRST + count);
    const status = this.#during(null, false, () => this.#call(window, Hcall.STUFF_TCE, page, value, count));
    if (status !== undefined && status !== 0) throw new Error(`fill of page ${page} = ${status}`);
  }

  /** Consecutive targets: one run, which is stored at once. */
  #row(window: DmaWindow, page: number, count: number): void {
    if (!window.enabled) return;
    const first = (0x100 + this.#random.below(0x800)) * 0x1000 + 1 + this.#random.below(3);
    const values = Array.from({ length: count }, (_, i) => first + i * 0x1000);
    this.#of(window.geometry).set(values, page - FIRST);
    this.#send(window, page, values, null);
  }

  #list(window: DmaWindow, page: number, values: readonly number[]): void {
    if (!window.enabled) return;
    this.#send(window, page, values, { window, geometry: window.geometry, values, first: page });
  }

  #send(
    window: DmaWindow,
    page: number,
    values: readonly number[],
    list: Omit<Active, "done" | "isReplay"> | null,
  ): void {
    const { geometry } = window;
    const bytes = new DataView(new ArrayBuffer(values.length * 8));
    for (let i = 0; i < values.length; i++) bytes.setUint32(i * 8 + 4, values[i]!);
    this.machine.ram.write(0x2000, new Uint8Array(bytes.buffer));
    const status = this.#during(list, false, () =>
      this.#call(window, Hcall.PUT_TCE_INDIRECT, page, 0x2000, values.length),
    );
    if (status === undefined || status === 0) return;
    if (status !== -4 || window.geometry === geometry) throw new Error(`list at page ${page} = ${status}`);
  }

  #get(window: DmaWindow, page: number): void {
    if (!window.enabled) return;
    // Entries of a list may be there before they are told.
    if (this.#active.some((one) => one.window === window)) return;
    const ioba = window.busOffset + (BigInt(page) << 12n);
    const { registers } = this.machine.call(Hcall.GET_TCE, window.liobn, ioba);
    const value = Number(registers.get(4));
    const right = this.#of(window.geometry)[page - FIRST];
    if (value !== right) throw new Error(`page ${page} reads ${value}, not ${right}`);
  }

  /** A device reads by what it sees, which is settled between calls only. */
  #read(page: number): void {
    const window = this.windows.find(({ iommu }) => this.#seen().has(iommu));
    if (this.#active.length > 0 || window === undefined) return;
    const result = this.#device.read(window.busOffset + (BigInt(page) << 12n), new Uint8Array(1));
    const value = this.#of(window.geometry)[page - FIRST]!;
    if ((result === 0) !== ((value & 1) !== 0)) throw new Error(`DMA at page ${page} = ${result}: ${value}`);
  }

  #seen(): Set<unknown> {
    return new Set(this.machine.phb(0).addressSpace.view.ranges.map(({ region }) => region));
  }

  #windows(token: number, args: readonly number[], nret: number): void {
    const buid = buidOf(0);
    this.#rtas(token, [0, Number(buid >> 32n), Number(buid & 0xffff_ffffn), ...args], nret);
  }

  #rtas(token: number, args: readonly number[], nret: number): void {
    this.#during(null, false, () => this.machine.rtas(token, args, nret));
  }

  /** The last thing that a reset does is to zero the entries, of which nobody is told. */
  #reset(): void {
    this.#during(null, false, () => this.machine.reset());
    for (const { geometry } of this.windows) this.#of(geometry).fill(0);
    for (const follower of this.#followers)
      for (const { told } of follower?.ears.values() ?? []) told.fill(0);
  }

  /** Registers a follower, or takes it away. */
  #toggle(at: number): void {
    const { memory } = this.machine;
    const old = this.#followers[at] ?? null;
    const follower = new Follower(this, at >> 1);
    this.#followers[at] = old === null ? follower : null;
    this.#during(null, false, () => {
      if (old === null) memory.register(follower, this.machine.phb(0).addressSpace);
      else memory.unregister(old);
    });
  }

  /** Takes a notifier away, and registers another one. */
  #replace(follower: Follower | null, window: DmaWindow): void {
    if (!follower?.ears.has(window)) return;
    this.close(follower, window);
    this.open(follower, window);
  }

  #compare(): void {
    const seen = this.#seen();
    for (const window of this.windows) {
      if (!window.enabled) continue;
      const table = window.table!;
      const entries = this.#of(window.geometry);
      let valid = 0;
      for (let i = 0; i < PAGES; i++) {
        table.load(FIRST + i);
        if (table.hi !== 0 || table.lo >>> 0 !== entries[i])
          throw new Error(`page ${FIRST + i} is ${table.lo >>> 0}, not ${entries[i]}`);
        if ((entries[i]! & 3) !== 0) valid++;
      }
      if (table.validCount !== valid) throw new Error(`${table.validCount} valid entries, not ${valid}`);
    }
    for (const follower of this.#followers) {
      for (const window of this.windows) {
        const ear = follower?.ears.get(window);
        if ((ear !== undefined) !== (follower !== null && seen.has(window.iommu)))
          throw new Error(`window ${window.liobn}: followed ${ear !== undefined}`);
        if (ear !== undefined) this.#compareEar(ear, this.#of(window.geometry));
      }
    }
  }

  #compareEar(ear: Ear, entries: Float64Array): void {
    for (let page = ear.firstPage; page < ear.endPage; page++) {
      const entry = entries[page - FIRST]!;
      const right = (entry & 3) === 0 ? 0 : entry;
      const is = ear.told[page - FIRST]!;
      if (is !== right) throw new Error(`a notifier was told ${is} of page ${page}, not ${right}`);
    }
  }
}

/** @throws Error with the seed and the number of the call at which something differs */
export function walkCallbacks(seed: number, steps: number): { steps: number; nested: number } {
  const walk = new Walk(seed);
  try {
    walk.run(steps);
  } catch (error) {
    throw new Error(`SEED=${seed}, call ${walk.steps}: ${(error as Error).message}`, { cause: error });
  }
  return { steps: walk.steps, nested: walk.nested };
}
