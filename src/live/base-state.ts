import { chmod, chown, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { IommuError } from "../base/errors.ts";
import { readMigration } from "../formats/migration/reader.ts";
import type { MigrationStream } from "../formats/migration/stream.ts";
import type { Commands } from "./monitor.ts";
import { makePrivateFolder } from "./private-folder.ts";
import { migrationStatus, runState } from "./settings.ts";

/** After this time a guest that changes its memory faster than it is sent is stopped, so that the rest can be sent. */
const STOP_AFTER_SECONDS = 30;
/** After this time it is given up. */
const GIVE_UP_AFTER_SECONDS = 600;
/** What was sent may take so long to come. */
const ARRIVAL_SECONDS = 10;
const POLL_MS = 20;
/** QEMU's connections may take so long to close one after the other. */
const CLOSING_MS = 500;

/** What a running machine was at one moment. */
export interface BaseState {
  readonly stream: MigrationStream;
  /** Did the guest run before? If so it stands still now, and must be continued. (Else its state is `postmigrate` now.) */
  readonly wasRunning: boolean;
}

/**
 * Saves the state of a running machine without a file: QEMU migrates to a
 * socket of ours, and what it sends is read as it comes. The guest runs on
 * while its memory is sent and stands still for the rest. Then it *stays* still,
 * so that the caller can note where the log stands: the caller lets it go on.
 *
 * If this fails half way, or this process ends, the migration fails for want of
 * a reader, and QEMU lets the guest go on by itself.
 *
 * @param closed resolves when the monitor has ended, with the reason
 * @param user QEMU's
 * @param willChange notified of what will have to be put back if this process ends
 * @throws IommuError PEER if QEMU cannot or may not be migrated; BAD_FILE if no socket can be made for it
 */
export async function readBaseState(
  commands: Commands,
  closed: Promise<Error>,
  signal: AbortSignal,
  user: number,
  willChange: (changes: { readonly resume: boolean; readonly folder: string }) => Promise<void>,
): Promise<BaseState> {
  const state = await runState(commands);
  if (state === "postmigrate") {
    throw new IommuError(
      "PEER",
      "the guest was saved before and has not run since (postmigrate), so that QEMU cannot save it again: let it go on (cont), or take the windows of its memory tree only (--base mtree)",
    );
  }
  const wasRunning = state === "running";
  const folder = await makePrivateFolder(tmpdir(), (made) =>
    willChange({ resume: wasRunning, folder: made }),
  );
  const receiver = new Receiver();
  try {
    const socketPath = path.join(folder, "state");
    await receiver.listen(socketPath);
    if (user !== process.getuid?.()) await openTo(user, folder, socketPath);
    await commands.execute("migrate", { uri: `unix:${socketPath}` });
    let damage: Error | undefined;
    const stream = receiver.stream().catch((error: Error) => {
      damage = error;
      return explain(error, closed);
    });
    const sent = waitForEnd(commands, signal, () => damage);
    // The one that fails first says why; the other one may then never end.
    await Promise.race([Promise.all([stream, sent]), sent]);
    return { stream: await withinLimit(stream, signal), wasRunning };
  } finally {
    receiver.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Lets a QEMU of another user connect: that user alone, if we may do so; otherwise all, of whom the first is read. */
async function openTo(user: number, folder: string, socketPath: string): Promise<void> {
  try {
    for (const place of [folder, socketPath]) await chown(place, user, -1);
  } catch {
    await chmod(folder, 0o711);
    await chmod(socketPath, 0o777);
  }
}

/**
 * Waits until QEMU has sent everything.
 *
 * @param damage why what it sent could not be read on, which QEMU takes for a failure of its own
 */
async function waitForEnd(
  commands: Commands,
  signal: AbortSignal,
  damage: () => Error | undefined,
): Promise<void> {
  const begun = performance.now();
  let stopped = false;
  for (;;) {
    signal.throwIfAborted();
    const status = await migrationStatus(commands);
    if (status === "completed") return;
    if (status === "failed" || status === "cancelled" || status === "none") {
      const reason = (await commands.execute("query-migrate")).optional("error-desc")?.text;
      throw new IommuError(
        "PEER",
        `QEMU could not send its state (${damage()?.message ?? reason ?? status}); --base mtree goes without it`,
      );
    }
    const seconds = (performance.now() - begun) / 1000;
    if (seconds > GIVE_UP_AFTER_SECONDS) {
      const what = `QEMU has not sent its state within ${GIVE_UP_AFTER_SECONDS} s`;
      throw new IommuError("PEER", what, { seconds: GIVE_UP_AFTER_SECONDS });
    }
    if (!stopped && seconds > STOP_AFTER_SECONDS) {
      stopped = true;
      await commands.execute("stop");
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** A stream that breaks off because QEMU ended is no broken stream. */
async function explain(error: Error, closed: Promise<Error>): Promise<never> {
  const moment = new Promise<Error>((resolve) => setTimeout(() => resolve(error), CLOSING_MS));
  throw await Promise.race([closed, moment]);
}

/** @throws IommuError PEER if nothing more comes of what QEMU says it has sent; the signal's reason */
async function withinLimit(stream: Promise<MigrationStream>, signal: AbortSignal): Promise<MigrationStream> {
  const limit = AbortSignal.timeout(ARRIVAL_SECONDS * 1000);
  const ends = AbortSignal.any([signal, limit]);
  return await Promise.race([
    stream,
    new Promise<never>((_resolve, reject) => {
      ends.addEventListener("abort", () => {
        const what = `QEMU says that its state is sent; its end did not come within ${ARRIVAL_SECONDS} s`;
        reject(signal.aborted ? signal.reason : new IommuError("PEER", what, { seconds: ARRIVAL_SECONDS }));
      });
    }),
  ]);
}

/** Takes the stream of the first one who connects. */
class Receiver {
  readonly #server: Server = createServer();
  #socket: Socket | undefined;
  readonly #connected: Promise<Socket>;

  constructor() {
    this.#connected = new Promise((resolve) => {
      this.#server.once("connection", (socket) => {
        this.#socket = socket;
        socket.on("error", () => {});
        this.#server.close();
        resolve(socket);
      });
    });
  }

  listen(socketPath: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause) => {
        reject(new IommuError("BAD_FILE", `${socketPath}: ${cause.message}`, { socketPath }, { cause }));
      });
      this.#server.listen(socketPath, () => resolve());
    });
  }

  async stream(): Promise<MigrationStream> {
    return await readMigration(await this.#connected);
  }

  close(): void {
    this.#server.close();
    this.#socket?.destroy();
  }
}
