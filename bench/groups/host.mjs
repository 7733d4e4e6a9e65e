/**
 * The host side through machines on a host: containers, the kernel's tables,
 * KVM's handlers, and what checks of coherence cost while they are off.
 *
 * For comparison, real QEMU 11.1.3 was measured (TCG, linear in the TCEs): 17
 * to 33 ns a TCE to plug a device, which is 65 to 82 s for 2^31; 12 ns and 8
 * bytes a TCE to create a window with a device attached, which is 26 to 60 s
 * and 16 GiB.
 *
 * @module
 */

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Coherence, Hcall, HcallRegisters, HostedMachine, RtasToken } from "../engine.mjs";
import { plugFloor, putFloor } from "../floors.mjs";
import { ascending, HUGE, IOBA, LIOBN, mapPages, OPCODE, PAGES, TCE, TCE_HI } from "../guest.mjs";
import { check, cpuNs, NOT_SLOWER } from "../harness.mjs";
import { distinct, seeded, shuffle } from "../random.mjs";

const WINDOW_SHIFT = 47;
const PAGE_SHIFT = 16;
const RAM_BYTES = 2 ** 32;
const RAM_PAGES = RAM_BYTES / 2 ** PAGE_SHIFT;
const SEED = 1;

const LIST = 0x10_0000;
const LIST_ENTRIES = 512;

// ------------------------------------------------------------------ machines

/** A machine on a host. */
function newHosted(config = {}, Hosted = HostedMachine) {
  const hosted = new Hosted({ ramSize: BigInt(RAM_BYTES), ...config });
  return { hosted, machine: hosted.machine, regs: new HcallRegisters().words };
}

/** One that counts the map calls that the host's kernel gets. */
function newCounted() {
  const counts = { map: 0 };
  const faults = (point) => {
    if (point === "map") counts.map++;
    return undefined;
  };
  return { ...newHosted({ faults }), counts };
}

/** ibm,create-pe-dma-window: 2^47 bytes in pages of 64 KiB. */
function createHuge({ machine }) {
  const { buid } = machine.phbs[0];
  const args = [0, Number(buid >> 32n), Number(buid & 0xffff_ffffn), PAGE_SHIFT, WINDOW_SHIFT];
  check(machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, args, 4)[0] === 0, "window created");
}

function plug({ hosted }) {
  const plugged = hosted.plug(0);
  check(plugged.ok, `plug: ${plugged.error}`);
  return plugged.device;
}

/** A machine whose huge window maps page `indexes[i]` to page `targets[i]` of memory, with no device. */
function newHuge(indexes, targets) {
  const made = newCounted();
  createHuge(made);
  const [, window] = made.machine.phbs[0].windows;
  mapPages({ ...made, window }, indexes, targets);
  return { ...made, window, indexes, targets };
}

/** Target pages in an order that has nothing to do with the addresses. */
const unrelated = (count) => {
  const pages = shuffle(ascending(RAM_PAGES), SEED + 1);
  return Float64Array.from({ length: count }, (_, i) => pages[i % RAM_PAGES]);
};

// ------------------------------------------------------------------ hotplug

const LINEAR = 2 ** 16;

/** Nanoseconds of a plug into a machine without a device; it is unplugged again. */
function plugNs(made, mapCalls) {
  const { hosted, window, indexes, targets, counts } = made;
  const before = counts.map;
  let device;
  const ns = cpuNs(() => {
    device = plug(made);
  });
  check(counts.map - before === mapCalls, `${counts.map - before} map calls`);
  const last = indexes.length - 1;
  const iova = window.busOffset + BigInt(indexes[last]) * 0x1_0000n;
  check(hosted.reach(device, iova, true) === BigInt(targets[last]) * 0x1_0000n, "device reaches a page");
  hosted.unplug(device);
  return ns;
}

/** Times of a plug: the mean of `plugs` in a row, as a single short one is what V8 does when code runs first. */
const hotplugOf = (name, unit, target, { indexes, targets, mapCalls, plugs }) => ({
  name,
  unit,
  better: "lower",
  target,
  warmups: 5,
  setup: () => newHuge(indexes(), targets()),
  run: (made) => {
    let ns = 0;
    for (let i = 0; i < plugs; i++) ns += plugNs(made, mapCalls);
    return ns / plugs / (unit === "us" ? 1e3 : 1e6);
  },
});

/** Map calls of a plug: fails the run if they are not those of the rows of times. */
const mapCallsOf = (name, indexes, targets, mapCalls) => ({
  name,
  unit: "map calls",
  better: "lower",
  target: `${mapCalls}`,
  over: undefined,
  rounds: 1,
  warmups: 0,
  setup: () => newHuge(indexes(), targets()),
  run: (made) => {
    const before = made.counts.map;
    plug(made);
    return made.counts.map - before;
  },
});

const sixteen = () => ascending(16, HUGE / 16);
const linear = () => ascending(LINEAR);
const scattered = () => distinct(LINEAR, HUGE, SEED);

const hotplugs = [
  hotplugOf("hotplug-16-of-2^31", "us", "below 1,000", {
    indexes: sixteen,
    targets: () => unrelated(16),
    mapCalls: 16,
    plugs: 50,
  }),
  hotplugOf("hotplug-2^16-of-2^31", "us", "below 1,000", {
    indexes: linear,
    targets: linear,
    mapCalls: 1,
    plugs: 50,
  }),
  mapCallsOf("hotplug-2^16-of-2^31-calls", linear, linear, 1),
  {
    ...hotplugOf("hotplug-2^16-of-2^31-scattered", "ms", "", {
      indexes: scattered,
      targets: () => unrelated(LINEAR),
      mapCalls: LINEAR,
      plugs: 1,
    }),
    over: "at least 8, or at most 25 ms",
    floor: plugFloor(),
  },
  mapCallsOf("hotplug-2^16-of-2^31-scattered-calls", scattered, () => unrelated(LINEAR), LINEAR),
];

// ------------------------------------------------------------------ windows

const CREATIONS = 100;

const windows = ["tcg", "kvm"].map((accel) => ({
  name: `window-create-2^31-attached${accel === "kvm" ? "-kvm" : ""}`,
  unit: "us",
  better: "lower",
  target: "below 200",
  warmups: 10,
  setup: () => {
    const made = newHosted({ accel });
    plug(made);
    return made;
  },
  run: (made) => {
    const { machine } = made;
    let ns = 0;
    for (let i = 0; i < CREATIONS; i++) {
      ns += cpuNs(() => createHuge(made));
      check(made.hosted.host.groups[0].iommu.windows[1]?.length === HUGE, "window of the host");
      machine.rtas(RtasToken.REMOVE_PE_DMA_WINDOW, [machine.phbs[0].windows[1].liobn], 1);
    }
    return ns / CREATIONS / 1e3;
  },
}));

// ------------------------------------------------------------------ hypercalls

const LIST_CALLS = 2000;

/** Writes lists of 512 TCEs with a device attached; the list is linear. */
function putLists({ machine, regs }) {
  let refused = 0;
  regs[OPCODE] = Hcall.PUT_TCE_INDIRECT;
  regs[LIOBN] = machine.phbs[0].windows[0].liobn;
  regs[TCE] = LIST;
  regs[PAGES] = LIST_ENTRIES;
  const ns = cpuNs(() => {
    for (let i = 0; i < LIST_CALLS; i++) {
      regs[IOBA] = (i & 63) * LIST_ENTRIES * 4096;
      refused |= machine.hcall(regs);
    }
  });
  check(refused === 0, "lists");
  return ns / LIST_CALLS / LIST_ENTRIES;
}

function newListMachine(config) {
  const made = newHosted(config);
  for (let i = 0; i < LIST_ENTRIES; i++) {
    made.machine.ram.writeCell(LIST + i * 8, 0);
    made.machine.ram.writeCell(LIST + i * 8 + 4, (0x1000 + i) * 4096 + 3);
  }
  plug(made);
  return made;
}

const LISTS = [
  ["type1", { container: "type1v2" }, NOT_SLOWER],
  ["spapr-v2", {}, NOT_SLOWER],
  ["spapr-v2-kvm", { accel: "kvm" }, "at least 10"],
];

const lists = LISTS.map(([name, config, over]) => ({
  over,
  name: `put-tce-indirect-512-${name}`,
  unit: "ns/TCE",
  better: "lower",
  target: "",
  setup: () => newListMachine(config),
  run: putLists,
}));

/** Map calls of one list where nothing is mapped: the whole list is one call, where the container takes runs. */
const listCalls = {
  name: "put-tce-indirect-512-type1-calls",
  unit: "map calls",
  better: "lower",
  target: "1",
  over: undefined,
  rounds: 1,
  warmups: 0,
  setup: () => newListMachine({ container: "type1v2" }),
  run: ({ hosted, machine, regs }) => {
    const { container } = hosted.connections[0];
    const before = container.mapCalls;
    regs[OPCODE] = Hcall.PUT_TCE_INDIRECT;
    regs[LIOBN] = machine.phbs[0].windows[0].liobn;
    regs[TCE] = LIST;
    regs[PAGES] = LIST_ENTRIES;
    regs[IOBA] = 0x40_0000;
    check(machine.hcall(regs) === 0 && container.mappings.length === 1, "one mapping");
    return container.mapCalls - before;
  },
};

const CALLS = 400_000;
const ORDER = 2 ** 14;

/** Bus addresses of busy pages of the default window, in random order. */
function busyAddresses() {
  const random = seeded(SEED);
  const pages = Array.from({ length: 512 }, (_, i) => (i % 4) * 49_152 + random(512));
  return Uint32Array.from({ length: ORDER }, () => pages[random(pages.length)] * 4096);
}

const ADDRESSES = busyAddresses();

// A function of its own: a variable of a closure would be in memory, not in a register.
function putPages({ machine, regs }) {
  let refused = 0;
  regs[OPCODE] = Hcall.PUT_TCE;
  regs[LIOBN] = machine.phbs[0].windows[0].liobn;
  regs[TCE_HI] = 0;
  for (let i = 0; i < CALLS; i++) {
    regs[IOBA] = ADDRESSES[i & (ORDER - 1)];
    regs[TCE] = (((i & 0xffff) << 12) | 3) >>> 0;
    refused |= machine.hcall(regs);
  }
  check(refused === 0, "puts");
}

/** Calls a second of H_PUT_TCE; the targets change all the time. */
function putsPerSecond(made, servedBy) {
  const ns = cpuNs(() => putPages(made));
  check(made.machine.servedBy === servedBy, "puts");
  return (CALLS * 1e9) / ns;
}

const putsOf = (name, target, config, plugged, servedBy) => ({
  name,
  unit: "calls/s",
  better: "higher",
  target,
  setup: () => {
    const made = newHosted(config);
    if (plugged) plug(made);
    return { ...made, addresses: ADDRESSES };
  },
  run: (made) => putsPerSecond(made, servedBy),
});

const puts = [
  putsOf("put-tce-hot-kvm", "at least 10 million", { accel: "kvm" }, false, "kvm"),
  {
    ...putsOf("put-tce-hot-kvm-attached", "", { accel: "kvm" }, true, "kvm"),
    over: "at least 5",
    floor: putFloor(CALLS, { attached: true }),
  },
  {
    ...putsOf("put-tce-hot-attached", "", {}, true, "qemu"),
    over: "at least 5",
    floor: putFloor(CALLS, { attached: true, notified: true }),
  },
];

// ------------------------------------------------------------------ coherence

/** The class of machines from a copy of the engine in which notifiers do not know of coherence at all. */
async function loadWithoutCoherence() {
  const copy = mkdtempSync(join(tmpdir(), "spapr-iommu-without-"));
  try {
    cpSync(fileURLToPath(new URL("../../dist/", import.meta.url)), copy, { recursive: true });
    writeFileSync(join(copy, "package.json"), '{"type":"module"}');
    const file = join(copy, "vfio/guest-iommu.js");
    const text = readFileSync(file, "utf8");
    const stripped = text.replace(
      / {8}if \(run\.perm === 0\)\s+this\.notified\?\..*;\s+else\s+this\.notified\?\..*;\n/,
      "",
    );
    check(stripped !== text && !stripped.includes("notified?."), "coherence taken out of the copy");
    writeFileSync(file, stripped);
    return (await import(pathToFileURL(join(copy, "vfio/hosted-machine.js")).href)).HostedMachine;
  } finally {
    rmSync(copy, { recursive: true });
  }
}

/**
 * The time of calls on a machine whose checks are off, over that of calls on
 * one that never heard of them: taken in turns, the best of several.
 */
const coherenceOff = {
  name: "coherence-off",
  unit: "times",
  better: "lower",
  target: "1 within the noise",
  rounds: 5,
  warmups: 2,
  over: undefined,
  setup: async () => {
    const off = newHosted({ coherence: false });
    const without = newHosted({}, await loadWithoutCoherence());
    plug(off);
    plug(without);
    return { off, without };
  },
  run: ({ off, without }) => {
    const best = { off: 0, without: 0 };
    for (let i = 0; i < 4; i++) {
      best.off = Math.max(best.off, putsPerSecond(off, "qemu"));
      best.without = Math.max(best.without, putsPerSecond(without, "qemu"));
    }
    return best.without / best.off;
  },
};

const COHERENT_CALLS = 500;

const coherenceOn = {
  name: "coherence-check",
  unit: "us",
  better: "lower",
  target: "",
  setup: () => {
    const made = newHosted({ coherence: true });
    plug(made);
    putsPerSecond(made, "qemu");
    return { ...made, coherence: new Coherence(made.hosted) };
  },
  run: ({ coherence }) => {
    let found;
    const ns = cpuNs(() => {
      for (let i = 0; i < COHERENT_CALLS; i++) found ??= coherence.check("put");
    });
    check(found === undefined, `coherence: ${found?.kind}`);
    return ns / COHERENT_CALLS / 1e3;
  },
};

/** Each row is measured in a process of its own (run.mjs). */
export const isolated = true;

/** @type {import("../harness.mjs").Benchmark[]} */
export const benchmarks = [
  ...hotplugs,
  ...windows,
  ...lists,
  listCalls,
  ...puts,
  coherenceOff,
  coherenceOn,
].map((benchmark) => ({ over: NOT_SLOWER, ...benchmark }));
