import { IommuError } from "../base/errors.ts";
import { isNobody, QmpClient } from "./qmp.ts";

/**
 * What was changed in a running QEMU, and has to be put back.
 *
 * @public
 */
export interface ChangedSettings {
  /** Socket of the monitor. */
  readonly socket: string;
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
 * @param client the connection; a new one is made if it has ended
 * @returns false if QEMU has ended, so that there is nothing left to put back
 * @throws IommuError PEER if QEMU does not answer or refuses
 */
export async function restoreSettings(changed: ChangedSettings, client?: QmpClient): Promise<boolean> {
  const own = client === undefined || client.isClosed;
  try {
    const qmp = own ? await QmpClient.connect(changed.socket) : client;
    try {
      if (changed.resume) await resumeGuest(qmp);
      for (const name of changed.events) await qmp.execute("trace-event-set-state", { name, enable: false });
      return true;
    } finally {
      if (own) qmp.close();
    }
  } catch (error) {
    if (await hasEnded(changed.socket, error)) return false;
    throw error;
  }
}

/** Did something fail because there is no QEMU any more? The connection may break before the socket is gone. */
async function hasEnded(socket: string, error: unknown): Promise<boolean> {
  if (isNobody(error)) return true;
  return await QmpClient.connect(socket).then((client) => {
    client.close();
    return false;
  }, isNobody);
}

/** Lets a guest run that stands still because its state was saved; one that stands still for another reason stays. */
async function resumeGuest(qmp: QmpClient): Promise<void> {
  if (await migrationStatus(qmp).then((status) => UNFINISHED.includes(status))) {
    await qmp.execute("migrate_cancel");
  }
  for (let left = MIGRATION_SECONDS * 50; UNFINISHED.includes(await migrationStatus(qmp)); left--) {
    if (left === 0) throw new IommuError("PEER", "the migration does not come to an end");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  if ((await runState(qmp)) === "postmigrate") await qmp.execute("cont");
}

/** `none` before the first migration. */
export async function migrationStatus(qmp: QmpClient): Promise<string> {
  const { status } = (await qmp.execute("query-migrate")) as { status?: string };
  return status ?? "none";
}

/** `running`, `paused`, `postmigrate`, ... */
export async function runState(qmp: QmpClient): Promise<string> {
  return ((await qmp.execute("query-status")) as { status: string }).status;
}
