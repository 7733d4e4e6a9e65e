/**
 * A process that outlives ours: it is notified of what was changed in QEMU, and puts
 * it back when our end of the pipe closes before we did so, as it does when we
 * are killed. A monitor that does not answer, or serves somebody else, is asked
 * again for ten minutes.
 *
 * @module
 */

import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { type ChangedSettings, restoreSettings } from "./settings.ts";

const TRY_FOR_MS = 600_000;
const TRY_AGAIN_MS = 1000;

// Ctrl-C and the like are for the process that is guarded.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

let changed: ChangedSettings | undefined;
for await (const line of createInterface({ input: process.stdin }))
  changed = JSON.parse(line) as ChangedSettings;
if (changed?.folder !== undefined) await rm(changed.folder, { recursive: true, force: true });
if (changed !== undefined && (changed.resume || changed.events.length > 0)) {
  for (const end = performance.now() + TRY_FOR_MS; performance.now() < end; ) {
    // If this fails there is nobody to report it to.
    if (
      await restoreSettings(changed, AbortSignal.timeout(TRY_FOR_MS)).then(
        () => true,
        () => false,
      )
    )
      break;
    await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS));
  }
}
