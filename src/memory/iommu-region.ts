import { IommuError } from "../base/errors.ts";
import { FirstError } from "../base/first-error.ts";
import type { PageStep } from "../base/page-step.ts";
import type { Permission } from "../base/permission.ts";
import { Delivery } from "./delivery.ts";
import type { IommuHooks, ReplayReport } from "./iommu-hooks.ts";
import { type IommuNotifier, NotifierFlag } from "./iommu-notifier.ts";
import { MappingRun } from "./mapping-run.ts";
import { type LayoutTransactions, type MappedIommu, MemoryRegion } from "./memory-region.ts";
import { PageWalk } from "./page-walk.ts";

// V8 folds a constant of the module itself.
const { IOTLB_EVENTS } = NotifierFlag;

/** The page size of a replay if the region does not tell one: the target's page, 4 KiB. */
const DEFAULT_PAGE_SIZE = 0x1000n;

/** One notifier from when it is registered to when it is taken away. */
interface Registration {
  readonly notifier: IommuNotifier;
  active: boolean;
}

/**
 * A memory region whose accesses are translated.
 *
 * @public
 */
export class IommuRegion extends MemoryRegion implements MappedIommu {
  override readonly iommu: IommuRegion = this;
  readonly hooks: IommuHooks;
  /** Newest first, which is the order they are called in. Replaced, never changed: a delivery goes on with its own. */
  #registrations: readonly Registration[] = [];
  #flags: number = NotifierFlag.NONE;
  /** The hook is being told of changed flags. */
  #changingFlags = false;
  /** How many walks want to know whether something changed meanwhile. */
  #walks = 0;
  /** Does anybody want to know of changes? Whoever changes mappings calls {@link notify} only then. */
  isHeard = false;
  /** Counts changes of mappings and of notifiers, modulo 2^32; only while there is a walk ({@link beginWalk}). */
  changes = 0;
  /** Counts up when other mappings begin: a range of the region is then another one, wherever it lies. */
  #generation = 0;
  /** The delivery whose callback runs now, if more than that callback is still to be made. */
  #innermost: Delivery | null = null;
  /** For the next delivery; null while it is in use. One that threw does not give it back: the next one makes another. */
  /** @internal */
  protected idle: Delivery | null = new Delivery();
  /** What {@link sole} is told by; null while its callback has it. */
  /** @internal */
  protected run: MappingRun | null = new MappingRun();
  /** The only notifier, of maps and unmaps, while nothing is delivered that another change could overtake; else null. */
  /** @internal */
  protected sole: IommuNotifier | null = null;

  constructor(system: LayoutTransactions, name: string, size: bigint, hooks: IommuHooks) {
    super(system, name, size, { kind: "iommu" });
    this.hooks = hooks;
  }

  /** OR of the flags of all notifiers. */
  get notifierFlags(): number {
    return this.#flags;
  }

  get notifiers(): readonly IommuNotifier[] {
    return this.#registrations.map(({ notifier }) => notifier);
  }

  get minPageSize(): bigint {
    return this.hooks.minPageSize?.() ?? DEFAULT_PAGE_SIZE;
  }

  isRegistered(notifier: IommuNotifier): boolean {
    const registrations = this.#registrations;
    for (let i = 0; i < registrations.length; i++) if (registrations[i]!.notifier === notifier) return true;
    return false;
  }

  /**
   * Adds a notifier in front of the others (QEMU-NOTIFY-2). From a callback it
   * hears of what changes from now on, not of what is being told.
   *
   * @throws IommuError NOTIFIER_REFUSED if the region cannot serve the flags; the notifier is not added then.
   * REGION_MISUSE if it is there already, or from inside of the hook that is told of changed flags
   */
  registerNotifier(notifier: IommuNotifier): void {
    this.#checkUnchanging(notifier);
    if (this.isRegistered(notifier)) {
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
    const before = this.#registrations;
    const flags = this.#flags;
    const refused = this.#setRegistrations([{ notifier, active: true }, ...before]);
    if (refused === undefined) return;
    this.#registrations[0]!.active = false;
    this.#registrations = before;
    this.#setFlags(flags);
    this.#findSole();
    throw new IommuError("NOTIFIER_REFUSED", `notifier ${notifier.name} with ${this.name}: ${refused}`, {
      notifier: notifier.name,
      flags: notifier.flags,
    });
  }

  /**
   * Takes a notifier away; from a callback, too: it is not called any more.
   *
   * @throws IommuError REGION_MISUSE from inside of the hook that is told of changed flags
   */
  unregisterNotifier(notifier: IommuNotifier): void {
    const gone = this.#registrations.find((registration) => registration.notifier === notifier);
    if (gone === undefined) return;
    this.#checkUnchanging(notifier);
    gone.active = false;
    this.#setRegistrations(this.#registrations.filter((other) => other !== gone));
  }

  #checkUnchanging(notifier: IommuNotifier): void {
    if (!this.#changingFlags) return;
    const what = `notifier ${notifier.name}: the notifiers of ${this.name} are being changed`;
    throw new IommuError("REGION_MISUSE", what, { notifier: notifier.name });
  }

  /** What the hook throws does not undo the change; what it returns is up to the caller. */
  #setRegistrations(registrations: readonly Registration[]): string | undefined {
    this.changes = (this.changes + 1) | 0;
    this.#registrations = registrations;
    this.#findSole();
    const before = this.#flags;
    const after = registrations.reduce<number>(
      (flags, { notifier }) => flags | notifier.flags,
      NotifierFlag.NONE,
    );
    if (after === before) return undefined;
    this.#setFlags(after);
    this.#changingFlags = true;
    try {
      return this.hooks.notifyFlagChanged?.(before, after);
    } finally {
      this.#changingFlags = false;
    }
  }

  #setFlags(flags: number): void {
    this.#flags = flags;
    this.isHeard = (flags | this.#walks) !== 0;
  }

  #findSole(): void {
    const [first, second] = this.#registrations;
    const isSole = first !== undefined && second === undefined && this.#innermost === null;
    this.sole = isSole && (first.notifier.flags & IOTLB_EVENTS) === IOTLB_EVENTS ? first.notifier : null;
  }

  /**
   * Tells all notifiers, newest first, of consecutive pages that changed (see
   * {@link MappingRun}). To be called after the change, and while
   * {@link isHeard} only.
   *
   * All notifiers are told, whatever one of them throws.
   *
   * @param page 4 bytes at least
   * @param hi the entry of the first page, in halves of either sign: its
   *   permission is in the lowest two bits, its target in those of `page`
   * @throws what a notifier threw first, when all have been told
   */
  notify(page: PageStep, firstPage: number, pages: number, hi: number, lo: number): void {
    this.changes = (this.changes + 1) | 0;
    const { sole, run } = this;
    // Nearly always there is one notifier, for all of the region: nothing is left to tell behind its callback.
    if (
      sole !== null &&
      run !== null &&
      sole.shift === page.shift &&
      firstPage >= sole.insideFirst &&
      firstPage + pages - 1 <= sole.insideLast
    ) {
      this.run = null;
      // `setEntry`, written out: V8 makes one function of all of a call, while that is short (see TceTable).
      run.page = page;
      run.firstPage = firstPage;
      run.pages = pages;
      run.targetHi = hi & page.maskHi;
      run.targetLo = lo & page.maskLo;
      run.perm = (lo & 3) as Permission;
      sole.notify(run);
      this.run = run;
    } else {
      this.notifyTogether(page, firstPage, pages, hi, lo);
    }
  }

  /**
   * {@link notify} for pages that have nothing to do with each other, one by
   * one, until a callback changes something: mappings, or notifiers.
   *
   * @param entries the high and the low half of each page's entry
   * @param errors gets what notifiers throw
   * @returns how many were told
   * @internal
   */
  notifyList(page: PageStep, firstPage: number, entries: Uint32Array, errors: FirstError): number {
    const count = entries.length / 2;
    const { sole, run } = this;
    if (sole !== null && run !== null && sole.covers(page, firstPage, firstPage + count)) {
      this.run = null;
      const told = this.#tellList(sole, run.set(page, firstPage, 1, 0, 0, 0), entries, errors);
      this.run = run;
      return told;
    }
    for (let told = 0; told < count; told++) {
      const changes = (this.changes + 1) | 0;
      try {
        this.notify(page, firstPage + told, 1, entries[told * 2]!, entries[told * 2 + 1]!);
      } catch (error) {
        errors.keep(error);
      }
      if (this.changes !== changes) return told + 1;
    }
    return count;
  }

  /** {@link notifyList} where there is one notifier, for all of the region; `run` is its first page. */
  #tellList(sole: IommuNotifier, run: MappingRun, entries: Uint32Array, errors: FirstError): number {
    const count = entries.length / 2;
    const { page, firstPage } = run;
    const { maskHi, maskLo } = page;
    // One change for all: what is asked is whether there was another one.
    const changes = (this.changes + 1) | 0;
    this.changes = changes;
    for (let told = 0; told < count; told++) {
      const lo = entries[told * 2 + 1]! | 0;
      run.firstPage = firstPage + told;
      run.targetHi = entries[told * 2]! & maskHi;
      run.targetLo = lo & maskLo;
      run.perm = (lo & 3) as Permission;
      try {
        sole.notify(run);
      } catch (error) {
        errors.keep(error);
      }
      if (this.changes !== changes) return told + 1;
    }
    return count;
  }

  /**
   * {@link notify} for pages that make no {@link MappingRun}, as the entry of
   * each is `step` (0 or 1) pages behind the one before: each is told on its own.
   */
  notifyEach(page: PageStep, firstPage: number, pages: number, hi: number, lo: number, step: number): void {
    this.changes = (this.changes + 1) | 0;
    this.notifyAll(page, firstPage, pages, hi, lo, 1, step);
  }

  /** @internal {@link notify} in all cases; a function of its own, so that the other one is short. */
  protected notifyTogether(page: PageStep, firstPage: number, pages: number, hi: number, lo: number): void {
    this.notifyAll(page, firstPage, pages, hi, lo, pages, 0);
  }

  /**
   * @param together how many pages one notification is of
   * @internal
   */
  protected notifyAll(
    page: PageStep,
    firstPage: number,
    pages: number,
    hi: number,
    lo: number,
    together: number,
    step: number,
  ): void {
    const registrations = this.#registrations;
    if (registrations.length === 0) return;
    const end = firstPage + pages;
    const outer = this.#innermost;
    for (let other = outer; other !== null; other = other.outer) other.overtake(firstPage, end);
    const delivery = this.idle ?? new Delivery();
    this.idle = null;
    delivery.begin(outer);
    this.#innermost = delivery;
    this.sole = null;
    const errors = new FirstError();
    const firstHi = hi >>> 0;
    const firstLo = lo >>> 0;
    try {
      // When the last notifier has gone in a callback, nobody is left to be told.
      for (let at = firstPage; at < end && this.#registrations.length > 0; at += together) {
        const ahead = step * (at - firstPage);
        delivery.run.setEntry(
          page,
          at,
          together,
          page.addHi(firstHi, firstLo, ahead),
          page.addLo(firstLo, ahead),
        );
        for (let i = 0; i < registrations.length; i++) deliver(registrations[i]!, delivery, errors);
      }
    } finally {
      this.#innermost = outer;
      this.idle = delivery;
      // A callback that threw did not give it back.
      this.run ??= new MappingRun();
      this.#findSole();
    }
    errors.rethrow();
  }

  /**
   * Mappings changed that notifiers are not told of (the IOMMU was emptied, or
   * filled from a saved one): what is still being told is old.
   */
  overtakeAll(): void {
    this.changes = (this.changes + 1) | 0;
    for (let other = this.#innermost; other !== null; other = other.outer) other.overtake(0, Infinity);
  }

  get generation(): number {
    return this.#generation;
  }

  /**
   * The region begins anew, with other mappings: listeners hear it go and come,
   * also if it goes and comes in one transaction.
   */
  renew(): void {
    this.#generation++;
    this.overtakeAll();
  }

  /** A walk through mappings begins: until {@link endWalk}, {@link changes} tells whether something changed. */
  beginWalk(): void {
    this.#walks++;
    this.isHeard = true;
  }

  endWalk(): void {
    this.#walks--;
    this.isHeard = (this.#flags | this.#walks) !== 0;
  }

  /**
   * Tells one notifier all that is mapped, in the way of this kind of IOMMU.
   * Its callback may change what is mapped: each page is told as it is when the
   * walk comes to it.
   *
   * @throws what the notifier throws; the replay ends there
   */
  replay(notifier: IommuNotifier): ReplayReport {
    return this.hooks.replay?.(notifier) ?? this.replayByPages(notifier);
  }

  /**
   * {@link replay} in the generic way: `PageWalk` of `page-walk.ts`.
   *
   * @param maxSteps where to stop, for measurements
   */
  replayByPages(notifier: IommuNotifier, maxSteps: number = Infinity): ReplayReport {
    return new PageWalk(this, notifier).advance(maxSteps);
  }
}

/** Tells one notifier what of a run still stands, in as many parts as that has. */
function deliver(registration: Registration, delivery: Delivery, errors: FirstError): void {
  if (!registration.active) return;
  const { notifier } = registration;
  const { run } = delivery;
  const { page, firstPage } = run;
  const end = firstPage + run.pages;
  if (!delivery.isOvertaken && notifier.covers(page, firstPage, end)) {
    try {
      notifier.tell(run);
    } catch (error) {
      errors.keep(error);
    }
    return;
  }
  let at = delivery.standing(firstPage, end);
  while (at < end && registration.active) {
    const behind = notifier.partEnd(page, at, delivery.standingEnd(at, end));
    errors.attempt(() => notifier.tellPart(run, at, behind));
    at = delivery.standing(behind, end);
  }
}
