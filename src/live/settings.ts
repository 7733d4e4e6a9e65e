import { IommuError } from "../base/errors.ts";
import { type Commands, type Monitor, until } from "./monitor.ts";
import { type MonitorPlace, openMonitor } from "./monitor-place.ts";
import { NoQemuError } from "./qmp.ts";

/**
 * What was changed in a running QEMU, and has to be put back.
 *
 * @public
 */
export interface ChangedSettings {
  readonly monitor: MonitorPlace;
  /** Trace events that were switched on. */
  readonly events: readonly string[];
  /** The guest ran before its state was saved, and must run again afterwards. */
  readonly resume: boolean;
  /** A folder of ours that goes with the session. */
  readonly folder?: string | undefined;
}

/** Time that a migration is given to notice that nobody listens any more. */
const MIGRATION_SECONDS = 30;
const UNFINISHED = ["setup", "active", "pre-switchover", "device", "cancelling", "wait-unplug"];

/**
 * Puts back what was changed.
 *
 * @param monitor the connection; a new one is made if it has ended
 * @param signal gives up
 * @returns false if QEMU has ended, so that there is nothing left to put back
 * @throws IommuError PEER if QEMU does not answer or refuses; the signal's reason
 */
export async function restoreSettings(
  changed: ChangedSettings,
  signal: AbortSignal,
  monitor?: Monitor,
): Promise<boolean> {
  try {
    if (monitor !== undefined && !monitor.isClosed) {
      try {
        await restoreBy(until(signal, monitor), changed);
        return true;
      } catch (error) {
        // One that has ended meanwhile, as after a command that was not answered, may be replaced.
        if (!monitor.isClosed || error instanceof NoQemuError) throw error;
      }
    }
    const own = await openMonitor(changed.monitor, { signal });
    try {
      await restoreBy(until(signal, own), changed);
      return true;
    } finally {
      own.close();
    }
  } catch (error) {
    if (!signal.aborted && (await hasEnded(changed.monitor, error, signal))) return false;
    throw error;
  }
}

/** Puts back all that can be. @throws the first error */
async function restoreBy(commands: Commands, { events, resume }: ChangedSettings): Promise<void> {
  const outcomes = [];
  if (resume) outcomes.push(await settled(resumeGuest(commands)));
  for (const name of events) {
    outcomes.push(await settled(commands.execute("trace-event-set-state", { name, enable: false })));
  }
  const failed = outcomes.find((error) => error !== undefined);
  if (failed !== undefined) throw failed;
}

const settled = (work: Promise<unknown>): Promise<Error | undefined> =>
  work.then(
    () => undefined,
    (error: Error) => error,
  );

/** Did something fail because there is no QEMU any more? The connection may break before the socket is gone. */
async function hasEnded(place: MonitorPlace, error: unknown, signal: AbortSignal): Promise<boolean> {
  if (error instanceof NoQemuError) return true;
  return await openMonitor(place, { signal }).then(
    (monitor) => {
      monitor.close();
      return false;
    },
    (second) => second instanceof NoQemuError,
  );
}

/** Lets a guest run that stands still because its state was saved; one that stands still for another reason stays. */
export async function resumeGuest(commands: Commands): Promise<void> {
  if (UNFINISHED.includes(await migrationStatus(commands))) await commands.execute("migrate_cancel");
  for (let left = MIGRATION_SECONDS * 50; UNFINISHED.includes(await migrationStatus(commands)); left--) {
    if (left === 0) throw new IommuError("PEER", "the migration does not come to an end");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  if ((await runState(commands)) === "postmigrate") await commands.execute("cont");
}

/** `none` before the first migration. */
export async function migrationStatus(commands: Commands): Promise<string> {
  return (await commands.execute("query-migrate")).optional("status")?.text ?? "none";
}

/** `running`, `paused`, `postmigrate`, ... */
export async function runState(commands: Commands): Promise<string> {
  return (await commands.execute("query-status")).get("status").text;
}
