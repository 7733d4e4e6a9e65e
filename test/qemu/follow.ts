import { attach } from "../../src/live/attach.ts";
import type { AttachEnd, Attached, AttachOptions } from "../../src/live/attach-options.ts";
import { noGuard } from "../../src/live/guard.ts";
import type { MonitorPlace } from "../../src/live/monitor-place.ts";
import type { GatedGuest } from "./gated-guest.ts";

/** What attach said of a guest. */
export interface Followed {
  readonly attached: Attached;
  readonly end: AttachEnd;
}

/** Attaches to a guest that waits at its first gate, lets it go on to the next one, and ends. */
export async function follow(
  guest: GatedGuest,
  monitor: MonitorPlace,
  base: AttachOptions["base"],
): Promise<Followed> {
  await guest.atGate();
  const stop = new AbortController();
  let attached: Attached | undefined;
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const session = attach({
    monitor,
    base,
    largeWindows: true,
    guard: noGuard,
    signal: stop.signal,
    mappings: true,
    refreshSeconds: 1,
    onAttached: (found) => {
      attached = found;
      begin();
    },
    onState: () => {},
    onDoubt: () => {},
  });
  await Promise.race([begun, session]);
  guest.openGate();
  await guest.atGate();
  stop.abort();
  return { end: await session, attached: attached! };
}
