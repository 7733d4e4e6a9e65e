import { formatCount, formatTime } from "../base/units.ts";
import { SAVE_NS_PER_ENTRY } from "../check/forecast/facts.ts";

/**
 * What an operation of a real system costs.
 *
 * @public
 */
export interface Cost {
  /** What costs it, such as `TCE that QEMU's generic replay walks`. */
  readonly what: string;
  readonly nanoseconds: number;
  /** Where the figure is from. One that nobody measured begins with `assumed`. */
  readonly source: string;
}

/**
 * What has a cost.
 *
 * @public
 */
export type CostName =
  | "hypercallInQemu"
  | "hypercallInKvm"
  | "hypercallInRealMode"
  | "tceOfCall"
  | "tceCopied"
  | "tceWalked"
  | "tceScanned"
  | "runCounted"
  | "mapCall"
  | "pagePinned"
  | "tceSaved";

/** Bench of QEMU 11.1.3: TCG, windows up to 2^30 TCEs, one x86-64 machine; linear in the TCEs. */
const QEMU_11_1 = "measured with QEMU 11.1.3 under TCG, windows up to 2^30 TCEs (docs/evidence.md, Time)";
const TIMED_BOOT =
  "test/corpus/traces/nvme-4g-parallel-io-linux612-timestamps (QEMU 7.2, TCG, events written to a file)";

/**
 * The costs by name. They are of real systems, not of this engine: what runs here is measured.
 *
 * @public
 */
export const COSTS: Readonly<Record<CostName, Cost>> = {
  hypercallInQemu: {
    what: "hypercall that QEMU handles",
    nanoseconds: 7000,
    source: `median time from one H_PUT_TCE to the next in ${TIMED_BOOT}`,
  },
  hypercallInKvm: {
    what: "hypercall that KVM handles in virtual mode",
    nanoseconds: 2000,
    source: "assumed: a full exit of the guest, without the way to user space",
  },
  hypercallInRealMode: {
    what: "hypercall that KVM handles in real mode (kernels before 6.1)",
    nanoseconds: 300,
    source: "assumed: no exit of the guest; Linux 6.1 and later have no such handlers",
  },
  tceOfCall: {
    what: "TCE that a call writes",
    nanoseconds: 21,
    source: `a 512th of what H_STUFF_TCE of 512 takes longer than H_PUT_TCE (18 us, 7 us) in ${TIMED_BOOT}`,
  },
  tceCopied: {
    what: "TCE of a dense table that QEMU copies when VFIO comes to need the table in user space",
    nanoseconds: 12.5,
    source: `creating a window with a device attached, replay skipped: ${QEMU_11_1}`,
  },
  tceWalked: {
    what: "TCE that QEMU's generic replay translates, page by page",
    nanoseconds: 20.5,
    source: `plugging a device (33 ns a TCE at most) less the copy of the table: ${QEMU_11_1}`,
  },
  tceScanned: {
    what: "TCE of a dense table that is looked at and is zero",
    nanoseconds: 1.8,
    source:
      "scan of an empty array of 64 Mi entries in C (gcc -O2, 2.5 GHz Xeon), the baseline of npm run bench",
  },
  runCounted: {
    what: "run of mappings that a counted table finds",
    nanoseconds: 1000,
    source: "assumed: a few nodes of a tree, each missing all caches",
  },
  mapCall: {
    what: "VFIO_IOMMU_MAP_DMA or UNMAP_DMA",
    nanoseconds: 2000,
    source: "assumed: a system call and a lock",
  },
  pagePinned: {
    what: "page of memory that the host's kernel pins",
    nanoseconds: 250,
    source: "assumed: a look-up in the process's page tables and a count",
  },
  tceSaved: {
    what: "TCE that QEMU saves in a migration, mapped or not",
    nanoseconds: SAVE_NS_PER_ENTRY,
    source:
      "measured with QEMU 7.2.22 under TCG, empty windows of 2^26 to 2^28 entries (saved to a file in memory)",
  },
};

/** A CPU that does not come by for this long makes Linux report an RCU stall (RCU_CPU_STALL_TIMEOUT). */
export const RCU_STALL_SECONDS = 21;
/** `kernel.watchdog_thresh`, in seconds; Linux reports a soft lockup after twice that. */
export const WATCHDOG_THRESH = 10;

/**
 * What Linux reports of a CPU that was not run for so long.
 *
 * @public
 */
export interface StallVerdict {
  readonly rcuStall: boolean;
  readonly softLockup: boolean;
}

/**
 * What a guest that could not run reports when it goes on.
 *
 * @param watchdogThresh `kernel.watchdog_thresh` of the guest; 0 switches the watchdog off
 * @public
 */
export const stallVerdict = (seconds: number, watchdogThresh: number = WATCHDOG_THRESH): StallVerdict => ({
  rcuStall: seconds >= RCU_STALL_SECONDS,
  softLockup: watchdogThresh > 0 && seconds >= 2 * watchdogThresh,
});

/** The verdict as people read it. */
export function stallText(seconds: number, watchdogThresh?: number): string {
  const { rcuStall, softLockup } = stallVerdict(seconds, watchdogThresh);
  const reports = [...(softLockup ? ["soft lockup"] : []), ...(rcuStall ? ["RCU stall"] : [])];
  return reports.length === 0 ? "no report" : reports.join(", ");
}

/**
 * What was spent of one cost.
 *
 * @public
 */
export interface Spent {
  readonly name: CostName;
  readonly count: number;
  readonly seconds: number;
}

/**
 * A clock that only modelled costs move. What happens between {@link block} and its end happens while the guest cannot
 * run; the longest such time is what a watchdog sees.
 *
 * @public
 */
export class VirtualClock {
  readonly #spent = new Map<CostName, number>();
  #longestBlock = 0;

  /** Something happens so many times. */
  spend(name: CostName, count: number = 1): void {
    this.#spent.set(name, (this.#spent.get(name) ?? 0) + count);
  }

  /** All that happens in `work` is one stretch in which the guest cannot run. */
  block(work: () => void): void {
    const before = this.seconds;
    work();
    this.#longestBlock = Math.max(this.#longestBlock, this.seconds - before);
  }

  /** Seconds that were spent. */
  get seconds(): number {
    return this.spent.reduce((sum, { seconds }) => sum + seconds, 0);
  }

  /** The longest time in one piece for which the guest could not run. */
  get longestBlock(): number {
    return this.#longestBlock;
  }

  /** Costs that were spent, in the order in which they were first. */
  get spent(): readonly Spent[] {
    return [...this.#spent].map(([name, count]) => ({
      name,
      count,
      seconds: (COSTS[name].nanoseconds * count) / 1e9,
    }));
  }

  /** `2,147,483,648 x tceCopied (12.5 ns) = 26.8 s; ...` */
  get explanation(): string {
    const parts = this.spent
      .filter(({ count }) => count > 0)
      .map(({ name, count, seconds }) => `${formatCount(count)} x ${name} = ${formatTime(seconds)}`);
    return parts.length === 0 ? "nothing" : parts.join("; ");
  }
}

/** A sentence for each cost that was used: what it is, and where the figure is from. */
export const costNotes = (clocks: readonly VirtualClock[]): string[] => {
  const names = new Set(clocks.flatMap(({ spent }) => spent.map(({ name }) => name)));
  return [...names].map((name) => {
    const { what, nanoseconds, source } = COSTS[name];
    return `${name}: ${formatTime(nanoseconds / 1e9)} for each ${what}; ${source}.`;
  });
};
