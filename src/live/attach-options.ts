import type { IommuError } from "../base/errors.ts";
import type { Guard } from "./guard.ts";
import type { LiveSnapshot } from "./live-state.ts";
import type { MonitorPlace } from "./monitor-place.ts";

/**
 * What is known of the machine to begin with:
 *
 * - `log`: what QEMU's log says, which has been on since QEMU started; costs the guest nothing. Of a list of TCEs only the
 *   last one is logged, the others are inferred;
 * - `save`: QEMU saves its state to us: everything is known, the guest stands still for a moment, and its memory is sent;
 * - `mtree`: the windows by QEMU's memory tree (`info mtree -D`), without page sizes and entries; costs the guest nothing;
 * - `none`: the bridges only.
 *
 * @public
 */
export type BaseKind = "log" | "save" | "mtree" | "none";

/**
 * How to attach to a running QEMU.
 *
 * @public
 */
export interface AttachOptions {
  readonly monitor: MonitorPlace;
  /** Where QEMU writes its log (`-D FILE`); looked up if it is not given. */
  readonly log?: string | undefined;
  /** `auto`: the first of `log`, `save`, `mtree`, `none` that can be done. */
  readonly base: BaseKind | "auto";
  /** Save it even if a window may have more entries than QEMU was seen to save: its pages are known to be large. */
  readonly largeWindows?: boolean;
  readonly profile?: string | undefined;
  readonly guard: Guard;
  /** Ends the session, which puts back what it changed. */
  readonly signal: AbortSignal;
  /** Ends the session after a time, whatever it waits for then; at most 24 days. */
  readonly seconds?: number | undefined;
  /** The longest that one command to the monitor may take; default: 30. */
  readonly timeoutSeconds?: number | undefined;
  /** States have all mappings. */
  readonly mappings: boolean;
  /** Time between two states. */
  readonly refreshSeconds: number;
  readonly onAttached: (attached: Attached) => void;
  /** Called with each state that differs from the one before, and with one more when all rates are back to 0. */
  readonly onState: (state: LiveSnapshot) => void;
  /** Called once with each thing that is not known, and so is not shown, as soon as that turns out. */
  readonly onDoubt: (doubt: string) => void;
}

/**
 * What was found at the beginning.
 *
 * @public
 */
export interface Attached {
  readonly qemu: string;
  readonly log: string;
  /** What libvirt marks the domain with, in its log, since others than libvirt speak to the monitor; else null. */
  readonly taint: string | null;
  readonly base: BaseReport;
}

/**
 * What is known to begin with, and what that cost.
 *
 * @public
 */
export interface BaseReport {
  readonly kind: BaseKind;
  /** Why a better one could not be taken, in the order in which they were tried. */
  readonly refused: readonly string[];
  /** How long the guest stood still; 0 if it did so before, and but for `save`. */
  readonly pausedSeconds: number;
  /** Bytes of the log, or of the saved state, that were read. */
  readonly bytes: number;
  /** Windows that are known. */
  readonly windows: number;
}

/**
 * How a session ended.
 *
 * @public
 */
export interface AttachEnd {
  /** `broken`: by {@link AttachEnd.error}. */
  readonly reason: "asked" | "time" | "qemu-ended" | "broken";
  readonly message: string;
  readonly error?: IommuError;
  /** What was not known, as it was told while the session ran. */
  readonly doubts: readonly string[];
  /** The last that was known. */
  readonly state: LiveSnapshot;
}
