/**
 * What a guest does with one window, as QEMU's log: it ends as it began, with nothing mapped, so that it can be written
 * again and again.
 *
 * @module
 */

const LIOBN = 0x80000000;
/** Entries of the window. */
const ENTRIES = 2 ** 18;
/** Mappings that are alive at most. */
const MOST_ALIVE = 8192;

/** Numbers that are the same in each run (mulberry32). */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) % below;
  };
}

const hex = (value) => `0x${value.toString(16)}`;

/**
 * Maps pages as rings of drivers do, each to be used once or twice and to be unmapped after the others that were mapped
 * before it; single pages, and lists of up to sixteen.
 *
 * @param lines of the log
 * @returns bytes, where each line ends in them, and how many pages are mapped (and unmapped again)
 */
export function makeCycle(lines) {
  const below = random(1);
  const text = [];
  const alive = [];
  let next = 0;
  let pages = 0;
  const say = (event, rest) => text.push(`spapr_iommu_${event} liobn=${hex(LIOBN)} ${rest}\n`);
  const unmap = () => {
    const { first, count } = alive.shift();
    // A successful stuff prints the address behind its last page.
    if (count === 1) say("pci_put", `ioba=${hex(first * 4096)} tce=0x0 ret=0`);
    else say("pci_stuff", `ioba=${hex((first + count) * 4096)} tcevalue=0x0 npages=${count} ret=0`);
  };
  // The last lines unmap what is left.
  while (text.length < lines - alive.length) {
    const what = below(4);
    if (what === 0 && alive.length < MOST_ALIVE && text.length + 1 < lines - alive.length) {
      const count = below(3) === 0 ? 2 + below(15) : 1;
      if (next + count > ENTRIES) next = 0;
      const target = 2 ** 32 + (next % 2 ** 14) * 4096 + below(1024) * 2 ** 20;
      const last = hex(target + (count - 1) * 4096 + 3);
      if (count === 1) say("pci_put", `ioba=${hex(next * 4096)} tce=${last} ret=0`);
      else
        say(
          "pci_indirect",
          `ioba=${hex(next * 4096)} tcelist=0x1000 iobaN=${hex(count - 1)} tceN=${last} ret=0`,
        );
      alive.push({ first: next, count, target });
      next += count;
      pages += count;
    } else if (what === 1 && alive.length > MOST_ALIVE / 2) unmap();
    else if (alive.length > 0) {
      const { first, target } = alive[below(alive.length)];
      say("xlate", `${hex(first * 4096)} -> ${hex(target)} perm=3 mask=0xfff`);
    }
  }
  while (alive.length > 0) unmap();
  const ends = new Uint32Array(text.length);
  let at = 0;
  for (const [i, line] of text.entries()) ends[i] = at += line.length;
  return { bytes: Buffer.from(text.join("")), ends, pages };
}
