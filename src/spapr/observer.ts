import type { TraceEvent } from "./trace-events.ts";

/**
 * Values that belong to a record, by name; those of 64 bits as hexadecimal text.
 *
 * @public
 */
export type RecordValues = Readonly<Record<string, bigint | number | string>>;

/**
 * Whose rule something is.
 *
 * @public
 */
export type RuleSource = "QEMU" | "PAPR" | "KVM" | "VFIO";

/**
 * The name of a rule in docs/behaviour.md, such as `QEMU-STUFF-1`; the first word is its source.
 *
 * @public
 */
export type RuleId = `${RuleSource}-${string}-${number}`;

/**
 * Why a guest's call was refused.
 *
 * @public
 */
export interface Refusal {
  /** `H_PUT_TCE`, `ibm,create-pe-dma-window`, ... */
  readonly call: string;
  /** The status the guest gets. */
  readonly status: number;
  /** The rule that failed, as a sentence. */
  readonly rule: string;
  /** Which rule of docs/behaviour.md it is. */
  readonly id: RuleId;
  /** Whose rule it is. */
  readonly source: RuleSource;
  readonly values: RecordValues;
}

/**
 * Something for which the real system has no defined answer: ours is the architectural one.
 *
 * @public
 */
export interface Hazard {
  /** The rule of docs/behaviour.md that says what is done here instead. */
  readonly id: RuleId;
  /** What happened here. */
  readonly what: string;
  readonly values: RecordValues;
}

/**
 * Notified of what happens in a machine. A record is built only while its function is
 * set, so that nobody pays for what nobody reads.
 *
 * @public
 */
export interface SpaprObserver {
  trace: ((event: TraceEvent) => void) | null;
  refusal: ((refusal: Refusal) => void) | null;
  hazard: ((hazard: Hazard) => void) | null;
}

/** An observer without functions yet. */
export const newObserver = (): SpaprObserver => ({ trace: null, refusal: null, hazard: null });
