/**
 * The engine through its public API: hypercalls with full dispatch, replay,
 * translation, and the memory of tables.
 *
 * @module
 */

import {
  DmaTarget,
  Hcall,
  HcallRegisters,
  IommuNotifier,
  Machine,
  NotifierFlag,
  RtasToken,
} from "../engine.mjs";
import { listFloor, mapUnmapFloor, putFloor } from "../floors.mjs";
import { ascending, HUGE, IOBA, LIOBN, mapPages, OPCODE, PAGES, TCE } from "../guest.mjs";
import { bytesInUse, check, cpuNs, NOT_SLOWER } from "../harness.mjs";
import { distinct, seeded, shuffle } from "../random.mjs";

const MIB = 2 ** 20;
/** Entries of the huge window that are in use. */
const MILLION = 2 ** 20;
const SEED = 1;

const LIST = 0x10_0000;
const RTAS_BLOCK = 0x20_0000n;

// ------------------------------------------------------------------ machines

/** Notifiers as VFIO registers them, for every window that appears behind a bridge. */
class Mirror {
  name = "mirror";
  notified = 0;
  pages = 0;
  notifiers = new Map();

  regionAdd(section) {
    const { iommu } = section.region;
    if (iommu === null) return;
    const notifier = new IommuNotifier({
      name: this.name,
      flags: NotifierFlag.IOTLB_EVENTS,
      start: section.offsetInRegion,
      last: section.offsetInRegion + section.size - 1n,
      notify: (run) => {
        this.notified++;
        this.pages += run.pages;
      },
    });
    this.notifiers.set(iommu, notifier);
    iommu.registerNotifier(notifier);
    iommu.replay(notifier);
  }

  regionDel(section) {
    const { iommu } = section.region;
    if (iommu !== null) iommu.unregisterNotifier(this.notifiers.get(iommu));
  }
}

/** A machine with bridges, each mirrored if wanted. */
function newMachine({ bridges = 1, mirrored = false } = {}) {
  const machine = new Machine({ phbs: Array.from({ length: bridges }, (_, index) => ({ index })) });
  const mirrors = machine.phbs.map((phb) => {
    const mirror = new Mirror();
    if (mirrored) machine.memory.register(mirror, phb.addressSpace);
    return mirror;
  });
  return { machine, mirrors, regs: new HcallRegisters().words };
}

function rtas(machine, token, args, returns) {
  const cells = Uint8Array.from({ length: (3 + args.length) * 4 });
  const view = new DataView(cells.buffer);
  for (const [i, cell] of [token, args.length, returns, ...args].entries()) view.setUint32(i * 4, cell);
  machine.systemMemory.write(RTAS_BLOCK, cells, null);
  const { status } = machine.call(Hcall.RTAS, RTAS_BLOCK);
  check(status === 0 && machine.ram.readCell(Number(RTAS_BLOCK) + cells.length) === 0, `RTAS call ${token}`);
}

/** ibm,create-pe-dma-window: pages of 64 KiB. */
function createWindow(machine, bridge, entries) {
  const { buid } = machine.phbs[bridge];
  const args = [0, Number(buid >> 32n), Number(buid & 0xffff_ffffn), 16, 16 + Math.log2(entries)];
  rtas(machine, RtasToken.CREATE_PE_DMA_WINDOW, args, 4);
}

/** A machine whose bridge has a window of 2^31 entries, and what is needed to fill it. */
function newHugeMachine(mirrored = false) {
  const made = newMachine({ mirrored });
  createWindow(made.machine, 0, HUGE);
  const window = made.machine.phbs[0].windows[1];
  return { ...made, window, busHi: Number(window.busOffset >> 32n) };
}

const shuffled = (values) => shuffle(values, SEED + 1);
const scattered = () => distinct(MILLION, HUGE, SEED);
const unrelated = () => shuffled(ascending(MILLION, 3));

// ------------------------------------------------------------------ windows

const CREATIONS = 200;

/** Microseconds of one ibm,create-pe-dma-window that a mirror hears of, with its replay. */
function creationUs({ machine }, entries) {
  let ns = 0;
  for (let i = 0; i < CREATIONS; i++) {
    ns += cpuNs(() => createWindow(machine, 0, entries));
    rtas(machine, RtasToken.REMOVE_PE_DMA_WINDOW, [machine.phbs[0].windows[1].liobn], 1);
  }
  return ns / CREATIONS / 1e3;
}

/** KiB of one window and its notifier: the mean over all bridges of several machines. */
function creationKib(entries) {
  const bridges = 31;
  const machines = Array.from({ length: 8 }, () => newMachine({ bridges, mirrored: true }).machine);
  const before = bytesInUse();
  for (const machine of machines) {
    for (let bridge = 0; bridge < bridges; bridge++) createWindow(machine, bridge, entries);
  }
  const bytes = bytesInUse() - before;
  for (const { phbs } of machines) {
    check(
      phbs.every((phb) => phb.enabledWindows === 2),
      "windows created",
    );
  }
  return bytes / (machines.length * bridges) / 1024;
}

const windows = [
  {
    name: "window-create-2^31",
    unit: "us",
    better: "lower",
    target: "below 100, within 2x of 2^15",
    setup: () => newMachine({ mirrored: true }),
    warmups: 20,
    run: (made) => creationUs(made, HUGE),
  },
  {
    name: "window-create-2^15",
    unit: "us",
    better: "lower",
    target: "",
    setup: () => newMachine({ mirrored: true }),
    warmups: 20,
    run: (made) => creationUs(made, 2 ** 15),
  },
  {
    name: "window-create-2^31-heap",
    unit: "KiB",
    better: "lower",
    target: "below 64",
    run: () => creationKib(HUGE),
  },
];

// ------------------------------------------------------------------ replay

/** Replays a window to a notifier of its own. */
function replay({ window }, pages, notifications) {
  let heard = 0;
  let mapped = 0;
  const notifier = new IommuNotifier({
    name: "replay",
    flags: NotifierFlag.IOTLB_EVENTS,
    notify: (run) => {
      heard++;
      mapped += run.pages;
    },
  });
  window.iommu.replay(notifier);
  check(mapped === pages && heard <= notifications, `replay: ${mapped} pages in ${heard} runs`);
}

/**
 * Replays of a window, against C's walk of all its entries. `pages` of it are mapped: the indexes and their targets.
 * A round is the mean of `replays` in a row, as a single short one is what V8 does when code runs first.
 */
const replayOf = (name, unit, target, { indexes, targets, notifications, replays }) => ({
  name,
  unit,
  better: "lower",
  target,
  baseline: "replay-empty",
  baselineOperations: HUGE,
  setup: () => {
    const made = newHugeMachine();
    const pages = indexes();
    mapPages(made, pages, targets());
    return { ...made, pages: pages.length };
  },
  run: (made) => {
    const ns = cpuNs(() => {
      for (let i = 0; i < replays; i++) replay(made, made.pages, notifications);
    });
    return ns / replays / (unit === "us" ? 1e3 : 1e6);
  },
});

const replays = [
  replayOf("replay-empty-2^31", "us", "a millionth of C", {
    indexes: () => [],
    targets: () => [],
    notifications: 0,
    replays: 20_000,
  }),
  replayOf("replay-scattered-2^20-of-2^31", "ms", "below 60", {
    indexes: scattered,
    targets: unrelated,
    notifications: MILLION,
    replays: 1,
  }),
  replayOf("replay-spaced-2^20-of-2^31", "ms", "below 60", {
    indexes: () => shuffled(ascending(MILLION, HUGE / MILLION)),
    targets: unrelated,
    notifications: MILLION,
    replays: 1,
  }),
  replayOf("replay-contiguous-2^20-of-2^31", "us", "below 2,000, one notification", {
    indexes: () => ascending(MILLION),
    targets: () => ascending(MILLION),
    notifications: 1,
    replays: 20_000,
  }),
];

// ------------------------------------------------------------------ hypercalls

const CALLS = 2_000_000;
const ORDER = 2 ** 14;

/**
 * Bus addresses of a busy guest's calls: 512 scattered pages of the default
 * window, 128 in each of the four pools of Linux's allocator, in random order.
 */
function busyAddresses(seed) {
  const random = seeded(seed);
  const pages = Array.from({ length: 512 }, (_, i) => (i % 4) * 49_152 + random(512));
  return Uint32Array.from({ length: ORDER }, () => pages[random(pages.length)] * 4096);
}

/** Fills the leaves of the busy pages with neighbours, as a guest does that runs for long. */
function newBusyMachine(mirrored) {
  const made = newMachine({ mirrored });
  const { regs, machine } = made;
  const addresses = busyAddresses(SEED);
  regs[OPCODE] = Hcall.PUT_TCE;
  regs[LIOBN] = machine.phbs[0].windows[0].liobn;
  for (const [i, address] of addresses.entries()) {
    regs[IOBA] = address;
    regs[TCE] = ((i * 7) % 0x1_0000) * 4096 + 3;
    machine.hcall(regs);
  }
  return { ...made, addresses };
}

// The loops that are timed are functions of their own: a variable of a closure would be in memory, not in a register.

function putPages({ machine, regs, addresses }) {
  let refused = 0;
  regs[OPCODE] = Hcall.PUT_TCE;
  for (let i = 0; i < CALLS; i++) {
    regs[IOBA] = addresses[i & (ORDER - 1)];
    regs[TCE] = (((i & 0xffff) << 12) | 3) >>> 0;
    refused |= machine.hcall(regs);
  }
  check(refused === 0, "puts");
}

function putsPerSecond(made) {
  const [mirror] = made.mirrors;
  const { pages } = mirror;
  const ns = cpuNs(() => putPages(made));
  check(mirror.pages - pages === (mirror.notifiers.size > 0 ? CALLS : 0), "notifications");
  return (CALLS * 1e9) / ns;
}

/** Calls for pages that are not mapped yet, among those that are and stay so. */
function newMapUnmapMachine() {
  const made = newBusyMachine(false);
  const mapped = new Set(made.addresses);
  const free = busyAddresses(SEED + 1).filter((address) => !mapped.has(address));
  return { ...made, addresses: Uint32Array.from({ length: ORDER }, (_, i) => free[i % free.length]) };
}

function mapAndUnmap({ machine, regs, addresses }) {
  let refused = 0;
  for (let i = 0; i < CALLS; i++) {
    regs[OPCODE] = Hcall.PUT_TCE;
    regs[IOBA] = addresses[i & (ORDER - 1)];
    regs[TCE] = (((i & 0xffff) << 12) | 3) >>> 0;
    refused |= machine.hcall(regs);
    regs[OPCODE] = Hcall.STUFF_TCE;
    regs[TCE] = 0;
    regs[PAGES] = 1;
    refused |= machine.hcall(regs);
  }
  check(refused === 0, "puts and stuffs");
}

const pairsPerSecond = (made) => (CALLS * 1e9) / cpuNs(() => mapAndUnmap(made));

const LIST_CALLS = 4000;
const LIST_ENTRIES = 512;

/** A mirrored machine with a list of 512 TCEs in its memory. */
function newListMachine(targetOf) {
  const made = newMachine({ mirrored: true });
  for (let i = 0; i < LIST_ENTRIES; i++) {
    made.machine.ram.writeCell(LIST + i * 8, 0);
    made.machine.ram.writeCell(LIST + i * 8 + 4, targetOf(i) * 4096 + 3);
  }
  return made;
}

/** Nanoseconds a TCE of calls that write 512 of them each. */
function nsPerTce({ machine, regs, mirrors }, opcode, r6) {
  const { pages } = mirrors[0];
  let refused = 0;
  regs[OPCODE] = opcode;
  regs[LIOBN] = machine.phbs[0].windows[0].liobn;
  regs[TCE] = r6;
  regs[PAGES] = LIST_ENTRIES;
  const ns = cpuNs(() => {
    for (let i = 0; i < LIST_CALLS; i++) {
      regs[IOBA] = (i & 63) * LIST_ENTRIES * 4096;
      refused |= machine.hcall(regs);
    }
  });
  check(refused === 0 && mirrors[0].pages - pages === LIST_CALLS * LIST_ENTRIES, "lists");
  return ns / LIST_CALLS / LIST_ENTRIES;
}

const hypercalls = [
  {
    name: "put-tce-hot",
    unit: "calls/s",
    better: "higher",
    target: "at least 20 million, at most 4x C",
    baseline: "put-tce-hot",
    floor: putFloor(CALLS),
    setup: () => newBusyMachine(false),
    run: putsPerSecond,
  },
  {
    name: "put-tce-hot-notifier",
    unit: "calls/s",
    better: "higher",
    target: "at least 10 million, at most 3x C",
    baseline: "put-tce-hot-notifier",
    floor: putFloor(CALLS, { notified: true }),
    setup: () => newBusyMachine(true),
    run: putsPerSecond,
  },
  {
    name: "map-unmap-hot",
    unit: "pairs/s",
    better: "higher",
    target: "at most 3x C",
    baseline: "map-unmap-hot",
    floor: mapUnmapFloor(CALLS),
    setup: newMapUnmapMachine,
    run: pairsPerSecond,
  },
  {
    name: "put-tce-indirect-512",
    unit: "ns/TCE",
    better: "lower",
    target: "faster than C",
    baseline: "put-tce-indirect-512",
    setup: () => newListMachine((i) => 0x1000 + i),
    run: (made) => nsPerTce(made, Hcall.PUT_TCE_INDIRECT, LIST),
  },
  {
    name: "put-tce-indirect-512-random",
    unit: "ns/TCE",
    better: "lower",
    target: "at most 1.3x C",
    baseline: "put-tce-indirect-512-random",
    floor: listFloor(LIST_CALLS, LIST_ENTRIES, seeded(SEED).bind(undefined, 0xffff)),
    setup: () => {
      const random = seeded(SEED);
      return newListMachine(() => random(0xffff));
    },
    run: (made) => nsPerTce(made, Hcall.PUT_TCE_INDIRECT, LIST),
  },
  {
    name: "stuff-tce-512",
    unit: "ns/TCE",
    better: "lower",
    target: "faster than C",
    baseline: "stuff-tce-512",
    setup: () => newListMachine((i) => i),
    run: (made) => nsPerTce(made, Hcall.STUFF_TCE, 0),
  },
];

// ------------------------------------------------------------------ DMA

const TRANSLATIONS = 4_000_000;

/** Translates addresses of one page; a function of its own, so that the sum is no variable of a closure. */
function translatePage({ space, page, into }) {
  let sum = 0;
  for (let i = 0; i < TRANSLATIONS; i++) {
    if (space.translate(0, page + (i & 0xffc), 4, true, into)) sum += into.offsetLo + into.length;
  }
  return sum;
}

const translations = [
  {
    name: "translate-hot",
    unit: "translations/s",
    better: "higher",
    target: "at least 30 million",
    baseline: "translate-hot",
    setup: () => {
      const { machine, addresses } = newBusyMachine(false);
      return { space: machine.phbs[0].addressSpace, page: addresses[0], into: new DmaTarget() };
    },
    run: (state) => {
      const ns = cpuNs(() => check(translatePage(state) >= TRANSLATIONS * 4, "translations"));
      return (TRANSLATIONS * 1e9) / ns;
    },
  },
];

// ------------------------------------------------------------------ memory

/** MiB of a million mapped pages. */
const memoryOf = (name, target, indexes, targets) => ({
  name,
  unit: "MiB",
  better: "lower",
  target,
  rounds: 3,
  warmups: 1,
  run: () => {
    const made = newHugeMachine();
    const pages = indexes();
    const pageTargets = targets();
    const before = bytesInUse();
    mapPages(made, pages, pageTargets);
    return (bytesInUse() - before) / MIB;
  },
});

const memory = [
  memoryOf(
    "memory-contiguous-2^20",
    "at most 9",
    () => ascending(MILLION),
    () => ascending(MILLION),
  ),
  memoryOf("memory-contiguous-2^20-random-targets", "", () => ascending(MILLION), unrelated),
  memoryOf("memory-scattered-2^20", "at most 96", () => ascending(MILLION, 512), unrelated),
  memoryOf("memory-scattered-2^20-random", "", scattered, unrelated),
];

/** Each row is measured in a process of its own (run.mjs). */
export const isolated = true;

/** @type {import("../harness.mjs").Benchmark[]} */
export const benchmarks = [...windows, ...replays, ...hypercalls, ...translations, ...memory].map(
  (benchmark) => ({
    over: NOT_SLOWER,
    ...benchmark,
  }),
);
