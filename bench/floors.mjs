/**
 * Floors: what a call cannot do without, as a JavaScript loop. It reads the
 * registers, finds the window, loads the old entry, stores the new one, counts,
 * and tells one function; it knows one machine, dense tables, and no refusal.
 * How many times longer the engine takes says how near it is to what this
 * language allows (docs/speed.md).
 *
 * @module
 */

import { Hcall } from "./engine.mjs";
import { IOBA, LIOBN, OPCODE, PAGES, TCE, TCE_HI } from "./guest.mjs";
import { check, cpuNs } from "./harness.mjs";

const WINDOW_ENTRIES = 2 ** 18;
const LIOBN_OF_FLOOR = 0x8000_0000;
const PERM_MASK = 3;
const { PUT_TCE, STUFF_TCE } = Hcall;

/** A window: its entries (low half first), how many are valid, and who is told. */
class FloorWindow {
  liobn = LIOBN_OF_FLOOR | 0;
  entries = WINDOW_ENTRIES;
  shift = 12;
  words = new Uint32Array(WINDOW_ENTRIES * 2);
  valid = 0;
  /** The table of a host that follows, with its own count. */
  host = null;
  notify = null;
  change = new FloorChange();
}

/** What a function is told. */
class FloorChange {
  index = 0;
  hi = 0;
  lo = 0;
}

/** The table of a host: pages of memory that was registered. */
class FloorHost {
  words = new Uint32Array(WINDOW_ENTRIES * 2);
  mapped = 0;
  bytes = 2 ** 32;
  physical = 2 ** 24;
}

class Counter {
  pages = 0;
}

const isValid = (lo) => (lo | (lo >>> 1)) & 1;

/** Stores an entry, and tells. */
function store(window, index, hi, lo) {
  const { words, host, notify } = window;
  const at = index * 2;
  window.valid += isValid(lo) - isValid(words[at]);
  words[at] = lo;
  words[at + 1] = hi;
  if (host !== null) follow(host, at, hi, lo);
  if (notify === null) return;
  const { change } = window;
  change.index = index;
  change.hi = hi | 0;
  change.lo = lo | 0;
  notify(change);
}

/** The same entry in the table of a host. */
function follow(host, at, hi, lo) {
  const { words } = host;
  const address = hi * 0x1_0000_0000 + (lo & ~PERM_MASK);
  if (address >= host.bytes) return;
  const physical = host.physical + address;
  host.mapped += isValid(lo) - isValid(words[at]);
  words[at] = physical + (lo & PERM_MASK);
  words[at + 1] = physical / 0x1_0000_0000;
}

/** H_PUT_TCE and H_STUFF_TCE of one page. */
function call(windows, regs) {
  const opcode = regs[OPCODE];
  if (opcode !== PUT_TCE && (opcode !== STUFF_TCE || regs[PAGES] !== 1)) return -2;
  for (let i = 0; i < windows.length; i++) {
    const window = windows[i];
    if (window.liobn !== (regs[LIOBN] | 0)) continue;
    const index = regs[IOBA] >>> window.shift;
    if (index >= window.entries) return -4;
    store(window, index, regs[TCE_HI], regs[TCE]);
    return 0;
  }
  return -4;
}

/** One H_PUT_TCE after another, like the loops of the benchmarks. */
function puts({ windows, regs, addresses }, calls) {
  let refused = 0;
  regs[OPCODE] = PUT_TCE;
  for (let i = 0; i < calls; i++) {
    regs[IOBA] = addresses[i & (addresses.length - 1)];
    regs[TCE] = (((i & 0xffff) << 12) | 3) >>> 0;
    refused |= call(windows, regs);
  }
  check(refused === 0, "puts of a floor");
}

function mapsAndUnmaps({ windows, regs, addresses }, pairs) {
  let refused = 0;
  for (let i = 0; i < pairs; i++) {
    regs[OPCODE] = PUT_TCE;
    regs[IOBA] = addresses[i & (addresses.length - 1)];
    regs[TCE] = (((i & 0xffff) << 12) | 3) >>> 0;
    refused |= call(windows, regs);
    regs[OPCODE] = STUFF_TCE;
    regs[TCE] = 0;
    regs[PAGES] = 1;
    refused |= call(windows, regs);
  }
  check(refused === 0, "puts and stuffs of a floor");
}

/** A guest's table of one window: the bits of its entries, and where the search for a free one begins. */
class FloorPool {
  bits = new Int32Array(WINDOW_ENTRIES / 32);
  hint = 1;
  end = (WINDOW_ENTRIES * 3) / 16;

  constructor() {
    // Drivers take bus address 0 for none.
    this.bits[0] = 1;
  }

  take() {
    let at = this.hint < this.end ? this.hint : 0;
    let free = ~this.bits[at >>> 5] >>> (at & 31);
    while (free === 0) {
      at = ((at >>> 5) + 1) * 32;
      if (at >= this.end) at = 0;
      free = ~this.bits[at >>> 5];
    }
    at += 31 - Math.clz32(free & -free);
    this.bits[at >>> 5] |= 1 << (at & 31);
    this.hint = (at + 16) & ~15;
    return at;
  }

  give(at) {
    const bit = 1 << (at & 31);
    if ((this.bits[at >>> 5] & bit) === 0) return false;
    this.bits[at >>> 5] &= ~bit;
    return true;
  }
}

/** Packets of a network card: each gets an entry, which goes when its slot of the ring comes again. */
function packets({ windows, regs, pool, ring }, pairs) {
  let refused = 0;
  for (let i = 0; i < pairs; i++) {
    const slot = i & (ring.length - 1);
    const old = ring[slot];
    if (old !== 0) {
      regs[OPCODE] = STUFF_TCE;
      regs[IOBA] = old << 12;
      regs[TCE] = 0;
      regs[PAGES] = 1;
      refused |= call(windows, regs);
      if (!pool.give(old)) refused = 1;
    }
    const entry = pool.take();
    regs[OPCODE] = PUT_TCE;
    regs[IOBA] = entry << 12;
    regs[TCE] = 0x400_0000 + slot * 4096 + 1;
    refused |= call(windows, regs);
    ring[slot] = entry;
  }
  check(refused === 0 && windows[0].valid === ring.length, "packets of a floor");
}

/** Lists of TCEs in memory, one after another. */
function lists({ windows, list, entries }, calls) {
  const [window] = windows;
  for (let i = 0; i < calls; i++) {
    const first = (i & 63) * entries;
    for (let at = 0; at < entries; at++)
      store(window, first + at, list.getUint32(at * 8), list.getUint32(at * 8 + 4));
  }
}

function newState({ notified = false, attached = false, addresses }) {
  const window = new FloorWindow();
  const counter = new Counter();
  if (notified) window.notify = () => counter.pages++;
  if (attached) window.host = new FloorHost();
  const regs = new Uint32Array(20);
  regs[LIOBN] = LIOBN_OF_FLOOR;
  return { windows: [window], counter, regs, addresses };
}

/** A floor is set up from the state of its benchmark, and its round is nanoseconds an operation. */
const floorOf = (work, operations, each, options) => ({
  setup: (made) => ({ ...newState({ ...options, addresses: made.addresses }), ...options.more?.() }),
  run: (state) => {
    const { pages } = state.counter;
    const ns = cpuNs(() => work(state, operations));
    check(
      state.counter.pages - pages === (options.notified ? operations * each : 0),
      "notifications of a floor",
    );
    return ns / operations / each;
  },
});

/**
 * The floor of H_PUT_TCE.
 *
 * @param {number} calls of a round
 * @param {{ notified?: boolean, attached?: boolean, addresses?: Uint32Array }} options whether a function is told, and a table of a host follows
 */
export const putFloor = (calls, options = {}) => floorOf(puts, calls, 1, options);

/** The floor of an H_PUT_TCE and an H_STUFF_TCE of one page, together. */
export const mapUnmapFloor = (pairs) => floorOf(mapsAndUnmaps, pairs, 1, {});

/** The floor of a driver's map and unmap, with the allocator of the guest. */
export const packetFloor = (pairs, slots) =>
  floorOf(packets, pairs, 1, {
    more: () => ({ pool: new FloorPool(), ring: new Int32Array(slots) }),
  });

/** The floor of H_PUT_TCE_INDIRECT where a function is told of each entry, for one TCE. */
export const listFloor = (calls, entries, targetOf) =>
  floorOf(lists, calls, entries, {
    notified: true,
    more: () => {
      const list = new DataView(new ArrayBuffer(entries * 8));
      for (let at = 0; at < entries; at++) list.setUint32(at * 8 + 4, targetOf(at) * 4096 + 3);
      return { list, entries };
    },
  });

/** The floor of a plug: reads the mappings of a window in order, asks a function for each, and appends them to the host's. */
export const plugFloor = () => ({
  setup: ({ indexes, targets }) => ({
    indexes: Float64Array.from(indexes).sort(),
    targets,
    asked: new Counter(),
  }),
  run: ({ indexes, targets, asked }) => cpuNs(() => append(indexes, targets, () => asked.pages++)),
});

function append(indexes, targets, ask) {
  const cells = [];
  for (let i = 0; i < indexes.length; i++) {
    ask("map");
    cells.push(indexes[i], 1, targets[i] / 0x1_0000, targets[i] * 0x1_0000 + 3, 0);
  }
  check(cells.length === indexes.length * 5, "mappings of a floor");
}
