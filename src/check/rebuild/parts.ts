import type { Machine } from "../../spapr/machine.ts";
import type { WindowHosts } from "./hosts.ts";
import type { RebuildObserver } from "./observer.ts";
import type { RebuiltWindows } from "./rebuilt-windows.ts";
import type { Verdicts } from "./verdicts.ts";
import type { WindowFit } from "./window-fit.ts";

/** What those who rebuild a trace together share. */
export interface RebuildParts {
  readonly machine: Machine;
  readonly hosts: WindowHosts;
  readonly windows: RebuiltWindows;
  readonly verdicts: Verdicts;
  readonly fit: WindowFit;
  /** Notified of what happens; null if nobody listens. */
  readonly observer: RebuildObserver | null;
}
