import type { Errno } from "../../base/errno.ts";

/**
 * Where the kernel may be made to fail:
 * - `map`, `unmap`, `register`, `create`: such a request, before it does anything;
 * - `allocate`: the memory for a table, after it was charged;
 * - `exchange`: storing a stretch of entries, in the middle of a request.
 *
 * @public
 */
export type FaultPoint = "map" | "unmap" | "register" | "create" | "allocate" | "exchange";

/**
 * Decides whether an operation fails.
 *
 * @param count how many times this point was passed before on this host
 * @returns the error to fail with, or undefined to go on
 * @public
 */
export type FaultHook = (point: FaultPoint, count: number) => Errno | undefined;

/** One of the points: counts how often it is passed, and asks the hook, if there is one. */
export class FaultGate {
  protected readonly point: FaultPoint;
  protected readonly hook: FaultHook | undefined;
  protected passed = 0;

  constructor(point: FaultPoint, hook: FaultHook | undefined) {
    this.point = point;
    this.hook = hook;
  }

  /** Does nothing ever fail here, and nobody count? */
  get isOpen(): boolean {
    return this.hook === undefined;
  }

  /** The error that an operation has to fail with now. */
  pass(): Errno | undefined {
    const hook = this.hook;
    return hook === undefined ? undefined : hook(this.point, this.passed++);
  }
}

/** All points of a host. */
export class FaultInjector {
  readonly map: FaultGate;
  readonly unmap: FaultGate;
  readonly register: FaultGate;
  readonly create: FaultGate;
  readonly allocate: FaultGate;
  readonly exchange: FaultGate;

  constructor(hook?: FaultHook) {
    this.map = new FaultGate("map", hook);
    this.unmap = new FaultGate("unmap", hook);
    this.register = new FaultGate("register", hook);
    this.create = new FaultGate("create", hook);
    this.allocate = new FaultGate("allocate", hook);
    this.exchange = new FaultGate("exchange", hook);
  }
}

/** Something for which the real kernel has no defined answer: we refuse, and report. */
export interface Hazard {
  readonly id: "VFIO-MAP-7";
  /** What rule was broken. */
  readonly rule: "range-past-table";
  /** The request. */
  readonly request: "MAP" | "UNMAP";
  /** First I/O address and length of the request in bytes. */
  readonly iova: bigint;
  readonly size: bigint;
}
