import type { Guard } from "./guard.ts";
import type { LiveState } from "./live-state.ts";

/**
 * How to attach to a running QEMU.
 *
 * @public
 */
export interface AttachOptions {
  /** Path of the monitor's socket (`-qmp unix:PATH,server=on,wait=off`). */
  readonly socket: string;
  /** Where QEMU writes its log (`-D FILE`); looked up if it is not given. */
  readonly log?: string | undefined;
  /** Take the machine's state to begin with; otherwise all entries are unknown until the trace shows them. */
  readonly base: boolean;
  /** Take it even if a window may have more entries than QEMU was seen to save: its pages are known to be large. */
  readonly largeWindows?: boolean;
  readonly profile?: string | undefined;
  readonly guard: Guard;
  /** Ends the session, which puts back what it changed. */
  readonly signal: AbortSignal;
  /** Ends the session after a time. */
  readonly seconds?: number | undefined;
  /** States have all mappings. */
  readonly mappings: boolean;
  /** Time between two states. */
  readonly refreshSeconds: number;
  readonly onAttached: (attached: Attached) => void;
  /** Called with each state that differs from the one before. */
  readonly onState: (state: LiveState) => void;
}

/**
 * What was found at the beginning.
 *
 * @public
 */
export interface Attached {
  readonly qemu: string;
  readonly log: string;
  /** Null without a base state. */
  readonly base: BaseReport | null;
}

/**
 * What taking the base state cost.
 *
 * @public
 */
export interface BaseReport {
  /** How long the guest stood still; 0 if it did so before. */
  readonly pausedSeconds: number;
  readonly bytes: number;
  readonly windows: number;
}

/**
 * How a session ended.
 *
 * @public
 */
export interface AttachEnd {
  readonly reason: "asked" | "time" | "qemu-ended";
  readonly message: string;
  readonly state: LiveState;
}
