import { IommuError } from "../base/errors.ts";
import { type PageStep, pageStep } from "../base/page-step.ts";
import type { Permission } from "../base/permission.ts";
import { hiOf, log2, loOf } from "../base/u64.ts";
import type { AddressSpace } from "./address-space.ts";
import { type IommuNotifier, NotifierFlag } from "./iommu-notifier.ts";
import { MappingRun } from "./mapping-run.ts";
import { MemoryRegion } from "./memory-region.ts";
import type { MemorySystem } from "./memory-system.ts";

/** The page size of a replay if the region does not tell one: the target's page, 4 KiB. */
const DEFAULT_PAGE_SIZE = 0x1000n;

/**
 * The answer to a translation; one object is filled again and again.
 *
 * The halves are signed, as bitwise operators make them: a number above 2^31
 * would not be a small integer for V8.
 *
 * @public
 */
export class IommuTranslation {
  /** Address of the target page, high half. */
  targetHi = 0;
  /** Address of the target page, low half. */
  targetLo = 0;
  /** Page size minus 1, high half. */
  maskHi = 0;
  /** Page size minus 1, low half. */
  maskLo = 0;
  perm: Permission = 0;

  /** The answer for an address outside of the IOMMU: no permission, for any address. */
  outside(): void {
    this.targetHi = this.targetLo = 0;
    this.maskHi = this.maskLo = -1;
    this.perm = 0;
  }
}

/**
 * What a kind of IOMMU does; QEMU's IOMMUMemoryRegionClass. Offsets are relative to the region.
 *
 * @public
 */
export interface IommuHooks {
  /** The address space that translations lead to. */
  readonly target: AddressSpace;
  /**
   * Looks up one address, given in halves of either sign. The hook does not
   * filter by direction: the caller checks `perm`.
   */
  translate(hi: number, lo: number, into: IommuTranslation): void;
  /** Tells one notifier what is mapped, instead of the generic page walk. */
  replay?(notifier: IommuNotifier): ReplayReport;
  /** Smallest page in bytes; default 4096. */
  minPageSize?(): bigint;
  /**
   * Hears that the OR of all notifiers' flags changed.
   *
   * @returns why the new flags cannot be had, or undefined
   */
  notifyFlagChanged?(before: number, after: number): string | undefined;
  /** An attribute by number; undefined if there is none (QEMU answers -EINVAL). */
  getAttr?(attribute: number): number | undefined;
}

/**
 * What a replay did.
 *
 * @public
 */
export interface ReplayReport {
  /** How it found the mappings: page by page, from the table's counts, or not at all. */
  readonly strategy: "page-walk" | "counted-walk" | "skipped";
  /** Entries (page walk) or runs (counted walk) that were looked at. */
  readonly steps: number;
  /** Calls of the notifier. */
  readonly notifications: number;
  /** False if the walk was stopped by its limit. */
  readonly complete: boolean;
}

/**
 * A memory region whose accesses are translated.
 *
 * @public
 */
export class IommuRegion extends MemoryRegion {
  override readonly iommu: IommuRegion = this;
  readonly hooks: IommuHooks;
  /** Newest first, which is the order they are called in. */
  #notifiers: IommuNotifier[] = [];
  #flags: number = NotifierFlag.NONE;
  readonly #run = new MappingRun();

  constructor(system: MemorySystem, name: string, size: bigint, hooks: IommuHooks) {
    super(system, name, size, { kind: "iommu" });
    this.hooks = hooks;
  }

  /** OR of the flags of all notifiers. */
  get notifierFlags(): number {
    return this.#flags;
  }

  get notifiers(): readonly IommuNotifier[] {
    return this.#notifiers;
  }

  get minPageSize(): bigint {
    return this.hooks.minPageSize?.() ?? DEFAULT_PAGE_SIZE;
  }

  /**
   * Adds a notifier in front of the others (QEMU-NOTIFY-2).
   *
   * @throws IommuError NOTIFIER_REFUSED if the region cannot serve the flags; the notifier is not added then
   */
  registerNotifier(notifier: IommuNotifier): void {
    if (this.#notifiers.includes(notifier)) {
      throw new IommuError(
        "REGION_MISUSE",
        `notifier ${notifier.name} is registered with ${this.name} already`,
        {
          notifier: notifier.name,
        },
      );
    }
    if (notifier.index !== 0) {
      throw new IommuError(
        "BAD_ARGUMENT",
        `notifier ${notifier.name}: IOMMU index ${notifier.index}, ${this.name} has 1`,
        {
          index: notifier.index,
        },
      );
    }
    const refused = this.#changeFlags([notifier, ...this.#notifiers]);
    if (refused !== undefined) {
      throw new IommuError("NOTIFIER_REFUSED", `notifier ${notifier.name} with ${this.name}: ${refused}`, {
        notifier: notifier.name,
        flags: notifier.flags,
      });
    }
  }

  /** Takes a notifier away. */
  unregisterNotifier(notifier: IommuNotifier): void {
    this.#changeFlags(this.#notifiers.filter((other) => other !== notifier));
  }

  #changeFlags(notifiers: IommuNotifier[]): string | undefined {
    const before = this.#flags;
    const after = notifiers.reduce<number>((flags, notifier) => flags | notifier.flags, NotifierFlag.NONE);
    const kept = this.#notifiers;
    this.#notifiers = notifiers;
    if (after === before) return undefined;
    this.#flags = after;
    const refused = this.hooks.notifyFlagChanged?.(before, after);
    if (refused !== undefined) {
      this.#notifiers = kept;
      this.#flags = before;
    }
    return refused;
  }

  /** Tells all notifiers, newest first, of pages that changed. Free when there are none. */
  notify(
    page: PageStep,
    firstPage: number,
    pages: number,
    targetHi: number,
    targetLo: number,
    perm: Permission,
  ): void {
    const notifiers = this.#notifiers;
    if (notifiers.length === 0) return;
    const run = this.#run.set(page, firstPage, pages, targetHi, targetLo, perm);
    for (let i = 0; i < notifiers.length; i++) notifiers[i]!.deliver(run);
  }

  /** Tells one notifier all that is mapped, in the way of this kind of IOMMU. */
  replay(notifier: IommuNotifier): ReplayReport {
    return this.hooks.replay?.(notifier) ?? this.replayByPages(notifier);
  }

  /**
   * The generic replay: translates every page of the region, from 0, and tells
   * the notifier of each that is mapped. Like QEMU it consults neither the
   * range nor the flags of the notifier, and it is the only loop over the size
   * of a window: `steps` says how many pages it walked (QEMU-REPLAY-1).
   *
   * @param maxSteps where to stop, for measurements
   */
  replayByPages(notifier: IommuNotifier, maxSteps: number = Infinity): ReplayReport {
    const page = pageStep(log2(this.minPageSize));
    const entry = new IommuTranslation();
    const run = new MappingRun();
    // QEMU reports the size of a region of 2^64 bytes as 2^64 - 1.
    const lastOffset = this.size === 0n ? -1n : this.size - 1n;
    const lastHi = hiOf(lastOffset);
    const lastLo = loOf(lastOffset);
    let steps = 0;
    let notifications = 0;
    let hi = 0;
    let lo = 0;
    while (lastOffset >= 0n && (hi < lastHi || (hi === lastHi && lo <= lastLo))) {
      if (steps === maxSteps) return { strategy: "page-walk", steps, notifications, complete: false };
      steps++;
      this.hooks.translate(hi, lo, entry);
      if (entry.perm !== 0) {
        notifications++;
        notifier.replayed(
          run.set(page, steps - 1, 1, entry.targetHi >>> 0, entry.targetLo >>> 0, entry.perm),
        );
      }
      const nextLo = page.addLo(lo, 1);
      const nextHi = page.addHi(hi, lo, 1);
      // The guard against wrapping around: the next page must lie above this one.
      if (nextHi < hi || (nextHi === hi && nextLo <= lo)) break;
      hi = nextHi;
      lo = nextLo;
    }
    return { strategy: "page-walk", steps, notifications, complete: true };
  }
}
