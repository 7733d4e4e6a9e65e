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

/** Counts the passages of each point and asks the hook, if there is one. */
export class FaultInjector {
  readonly #hook: FaultHook | undefined;
  readonly #passed: Record<FaultPoint, number> = {
    map: 0,
    unmap: 0,
    register: 0,
    create: 0,
    allocate: 0,
    exchange: 0,
  };

  constructor(hook?: FaultHook) {
    this.#hook = hook;
  }

  /** The error that an operation has to fail with now. */
  at(point: FaultPoint): Errno | undefined {
    return this.#hook?.(point, this.#passed[point]++);
  }
}

/** Something for which the real kernel has no defined answer: we refuse, and tell. */
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
