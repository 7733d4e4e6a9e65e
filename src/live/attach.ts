import { IommuError } from "../base/errors.ts";
import { Rebuild } from "../check/rebuild/rebuild.ts";
import { QemuLogReader } from "../formats/trace/qemu-log.ts";
import type { AttachEnd, AttachOptions, BaseReport } from "./attach-options.ts";
import { readBaseState } from "./base-state.ts";
import { findBridges } from "./bridges.ts";
import { findLog } from "./find-log.ts";
import { refuseLargeTables } from "./large-tables.ts";
import { describeState, type LiveState } from "./live-state.ts";
import { LogFollower, sizeOf } from "./log-follower.ts";
import { QmpClient } from "./qmp.ts";
import { type ChangedSettings, restoreSettings } from "./settings.ts";

/** The trace events that say what happens to DMA windows. */
const EVENTS = "spapr_iommu_*";
/** How often the log is looked at. */
const POLL_MS = 50;

/**
 * Follows the DMA windows of a running QEMU until it is asked to stop, QEMU
 * ends, or something breaks; in every case QEMU's settings are put back.
 *
 * @throws IommuError PEER if QEMU or its connection breaks, BAD_FILE if the log does
 * @public
 */
export async function attach(options: AttachOptions): Promise<AttachEnd> {
  const client = await QmpClient.connect(options.socket);
  const session = new Session(client, options);
  let end: AttachEnd;
  try {
    await session.begin();
    end = await session.follow();
  } catch (error) {
    await session.restore().catch((second: Error) => {
      throw withAfterword(error, `trace settings could not be put back: ${second.message}`);
    });
    throw error;
  } finally {
    await session.close();
  }
  return end;
}

class Session {
  readonly #client: QmpClient;
  readonly #options: AttachOptions;
  readonly #rebuild: Rebuild;
  readonly #reader: QemuLogReader;
  #follower: LogFollower | undefined;
  #changed: ChangedSettings;
  /** QEMU said that it ends. */
  #shutdown = false;
  #stoppedAt = Number.NaN;
  #resumedAt = Number.NaN;

  constructor(client: QmpClient, options: AttachOptions) {
    this.#client = client;
    this.#options = options;
    this.#rebuild = new Rebuild(options.profile);
    this.#reader = new QemuLogReader((event) => this.#rebuild.handle(event));
    this.#changed = { socket: options.socket, events: [], resume: false };
    client.onEvent = ({ event, seconds }) => {
      if (event === "SHUTDOWN") this.#shutdown = true;
      else if (event === "STOP") this.#stoppedAt = seconds;
      else if (event === "RESUME") this.#resumedAt = seconds;
    };
  }

  /** Finds the log, takes the base state and switches the trace on. */
  async begin(): Promise<void> {
    const log = this.#options.log ?? (await findLog(this.#options.socket));
    if (log === undefined) {
      // A QEMU that ended while it was looked for has no log, either, and that is the better reason.
      await this.#client.execute("query-status");
      throw new IommuError(
        "UNSUPPORTED",
        "cannot tell where QEMU writes its log: start it with -D FILE, or name the file with --log",
      );
    }
    const disabled = await this.#disabledEvents();
    for (const bridge of await findBridges(this.#client)) this.#rebuild.knowBridge(bridge);
    const base = this.#options.base ? await this.#takeBase() : null;
    this.#follower = new LogFollower(log, await sizeOf(log));
    await this.#change({ ...this.#changed, events: disabled });
    for (const name of disabled) await this.#client.execute("trace-event-set-state", { name, enable: true });
    const report = base === null ? null : await this.#goOn(base);
    this.#options.onAttached({ qemu: this.#client.version, log, base: report });
  }

  async #disabledEvents(): Promise<string[]> {
    const found = (await this.#client.execute("trace-event-get-state", { name: EVENTS })) as {
      name: string;
      state: string;
    }[];
    const usable = found.filter(({ state }) => state !== "unavailable");
    if (usable.length === 0) {
      throw new IommuError(
        "UNSUPPORTED",
        `this QEMU has no trace events ${EVENTS}: is it a qemu-system-ppc64?`,
      );
    }
    return usable.filter(({ state }) => state === "disabled").map(({ name }) => name);
  }

  /** Reads the machine's state; the guest stands still afterwards. */
  async #takeBase(): Promise<{ bytes: number; windows: number; wasRunning: boolean }> {
    if (this.#options.largeWindows !== true) await refuseLargeTables(this.#client);
    const { stream, wasRunning } = await readBaseState(this.#client, this.#options.signal, (changes) =>
      this.#change({ ...this.#changed, ...changes }),
    );
    for (const { liobn, geometry, table } of stream.windows) {
      this.#rebuild.load(liobn, geometry?.pageShift ?? 12, geometry?.busOffset ?? 0n, table);
    }
    return { bytes: stream.length, windows: this.#rebuild.windows.size, wasRunning };
  }

  /** Lets the guest run again, if it did before. */
  async #goOn(base: { bytes: number; windows: number; wasRunning: boolean }): Promise<BaseReport> {
    const { bytes, windows, wasRunning } = base;
    if (wasRunning) {
      await this.#client.execute("cont");
      await this.#change({ ...this.#changed, resume: false });
      // The events of both have come: QEMU sends them before the answers of later commands.
      await this.#client.execute("query-status");
    }
    return { pausedSeconds: wasRunning ? this.#resumedAt - this.#stoppedAt : 0, bytes, windows };
  }

  /** Reads the log until the end of the session. */
  async follow(): Promise<AttachEnd> {
    const { signal, seconds = Infinity, refreshSeconds } = this.#options;
    const endAt = performance.now() + seconds * 1000;
    let stateAt = 0;
    let shown = -1;
    for (;;) {
      await this.#readLog();
      const now = performance.now();
      if (now >= stateAt && shown !== this.#reader.counts.events) {
        shown = this.#reader.counts.events;
        stateAt = now + refreshSeconds * 1000;
        this.#options.onState(this.#state());
      }
      if (this.#client.isClosed) return await this.#connectionEnded();
      if (signal.aborted || now >= endAt) return await this.#end(signal.aborted ? "asked" : "time");
      await pause(POLL_MS, signal);
    }
  }

  async #readLog(): Promise<void> {
    await this.#follower!.poll((chunk) => this.#reader.push(chunk));
  }

  #state(): LiveState {
    const { events, damaged, long } = this.#reader.counts;
    return describeState(this.#rebuild, { events, damaged: damaged + long }, this.#options.mappings);
  }

  async #end(reason: "asked" | "time"): Promise<AttachEnd> {
    await this.restore();
    await this.#readLog();
    this.#rebuild.end();
    return { reason, message: "trace settings were put back", state: this.#state() };
  }

  /** The connection broke: with QEMU, or without it; then the settings still have to be put back. */
  async #connectionEnded(): Promise<AttachEnd> {
    const cause = await this.#client.closed;
    if (await this.restore()) {
      const message = `${cause.message}; trace settings were put back over a new one`;
      throw new IommuError("PEER", message, cause.details, { cause });
    }
    await this.#readLog();
    this.#rebuild.end();
    if (!this.#shutdown) {
      throw new IommuError("PEER", `${cause.message}: QEMU ended without notice`, cause.details, { cause });
    }
    return { reason: "qemu-ended", message: "QEMU ended", state: this.#state() };
  }

  /** Notifies the guard first, so that there is no moment in which nobody knows. */
  async #change(changed: ChangedSettings): Promise<void> {
    this.#changed = changed;
    await this.#options.guard.update(changed);
  }

  /** @returns false if QEMU has ended, so that there was nothing to put back */
  async restore(): Promise<boolean> {
    const restored = await restoreSettings(this.#changed, this.#client);
    this.#changed = { ...this.#changed, events: [], resume: false, folder: undefined };
    await this.#options.guard.release();
    return restored;
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#follower?.close();
  }
}

function withAfterword(error: unknown, afterword: string): Error {
  if (!(error instanceof IommuError)) return error as Error;
  return new IommuError(error.code, `${error.message} (${afterword})`, error.details, { cause: error });
}

/** Waits; an aborted signal ends the wait. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
