import { IommuError } from "../base/errors.ts";
import { formatSize } from "../base/units.ts";
import type { AttachEnd, AttachOptions } from "./attach-options.ts";
import { takeBase } from "./base.ts";
import { findBridges } from "./bridges.ts";
import type { FoundLog } from "./find-log.ts";
import type { LiveLog } from "./live-log.ts";
import type { LiveSnapshot } from "./live-state.ts";
import { sizeOf } from "./log-follower.ts";
import { type Commands, type Monitor, until } from "./monitor.ts";
import { openMonitor } from "./monitor-place.ts";
import { type ChangedSettings, restoreSettings } from "./settings.ts";

/** The trace events that say what happens to DMA windows. */
const EVENTS = "spapr_iommu_*";
/** How often the log is looked at. */
const POLL_MS = 50;
/** Bytes of the log that are read before anything else is done, which takes some 0.2 s. */
const READ_AT_ONCE = 2 ** 22;
/** How long the rest of the log may take to be read at the end. */
const LAST_READ_MS = 10_000;
/** How long QEMU may take to have its settings put back, before that is left to the guard. */
const RESTORE_SECONDS = 10;
/** The longest that a timer can wait. */
const MAX_SECONDS = 2_147_483;

/**
 * Follows the DMA windows of a running QEMU until it is asked to stop, QEMU
 * ends, or something breaks; in every case QEMU's settings are put back, if not
 * by us, then by the guard. No command to QEMU is waited for longer than its
 * limit, and the end by time or signal is obeyed whatever it waits for.
 *
 * @throws IommuError PEER if it cannot be attached: QEMU does not answer, or refuses; UNSUPPORTED if its log is not found
 * @public
 */
export async function attach(options: AttachOptions): Promise<AttachEnd> {
  const time = new AbortController();
  const seconds = Math.min(options.seconds ?? Infinity, MAX_SECONDS);
  const timer = setTimeout(() => {
    time.abort(new IommuError("PEER", `not attached within ${seconds} s`, { seconds }));
  }, seconds * 1000);
  const ends = AbortSignal.any([options.signal, time.signal]);
  try {
    const monitor = await openMonitor(options.monitor, {
      timeoutSeconds: options.timeoutSeconds,
      signal: ends,
    });
    return await new Session(monitor, options, ends).run();
  } finally {
    clearTimeout(timer);
  }
}

class Session {
  readonly #monitor: Monitor;
  readonly #options: AttachOptions;
  readonly #ends: AbortSignal;
  /** The monitor's commands, until the session ends. */
  readonly #commands: Commands;
  readonly #doubts = new Set<string>();
  #live: LiveLog | undefined;
  #isAttached = false;
  #changed: ChangedSettings;
  /** QEMU said that it ends. */
  #shutdown = false;
  readonly #pause = { stoppedAt: Number.NaN, resumedAt: Number.NaN };

  constructor(monitor: Monitor, options: AttachOptions, ends: AbortSignal) {
    this.#monitor = monitor;
    this.#options = options;
    this.#ends = ends;
    this.#commands = until(ends, monitor);
    this.#changed = { monitor: options.monitor, events: [], resume: false };
    monitor.onEvent = ({ event, seconds }) => {
      if (event === "SHUTDOWN") this.#shutdown = true;
      else if (event === "STOP") this.#pause.stoppedAt = seconds;
      else if (event === "RESUME") this.#pause.resumedAt = seconds;
    };
  }

  async run(): Promise<AttachEnd> {
    try {
      return await this.#end(await this.#whatBroke());
    } finally {
      this.#monitor.close();
      await this.#live?.close();
    }
  }

  /** Runs until the end. @returns why that came too early */
  async #whatBroke(): Promise<IommuError | undefined> {
    try {
      await this.#begin();
      await this.#follow(this.#live!);
    } catch (cause) {
      if (cause instanceof IommuError) return this.#ends.aborted ? undefined : cause;
      // A fault of this program; QEMU's settings are put back nevertheless.
      await this.#restore().catch(() => {});
      throw cause;
    }
    return undefined;
  }

  /** Finds the log, takes what is known to begin with, and switches the trace on. */
  async #begin(): Promise<void> {
    const log = await this.#findLog();
    // What cannot be followed is said before anything is changed.
    await sizeOf(log.path);
    const disabled = await this.#disabledEvents();
    const bridges = await findBridges(this.#commands);
    const { live, report } = await takeBase({
      commands: this.#commands,
      closed: this.#monitor.closed,
      signal: this.#ends,
      options: this.#options,
      log,
      bridges,
      disabled,
      pause: this.#pause,
      change: (changes) => this.#change(changes),
      enable: async () => {
        await this.#change({ events: disabled });
        for (const name of disabled)
          await this.#commands.execute("trace-event-set-state", { name, enable: true });
      },
      onDoubt: (doubt) => this.#doubt(doubt),
    });
    this.#live = live;
    live.begin();
    this.#isAttached = true;
    const { version, taint } = this.#monitor;
    this.#options.onAttached({ qemu: version, log: log.path, taint, base: report });
  }

  async #findLog(): Promise<FoundLog> {
    const found = await this.#monitor.findLog();
    const { log } = this.#options;
    if (log !== undefined) return found?.path === log ? found : { path: log, from: 0, patterns: [] };
    if (found !== undefined) return found;
    // A QEMU that ended while it was looked for has no log, either, and that is the better reason.
    await this.#commands.execute("query-status");
    throw new IommuError(
      "UNSUPPORTED",
      "cannot tell where QEMU writes its log: start it with -D FILE, or name the file with --log",
    );
  }

  async #disabledEvents(): Promise<string[]> {
    const found = (await this.#commands.execute("trace-event-get-state", { name: EVENTS })).list.map(
      (event) => ({
        name: event.get("name").text,
        state: event.get("state").text,
      }),
    );
    const usable = found.filter(({ state }) => state !== "unavailable");
    if (usable.length === 0) {
      throw new IommuError(
        "UNSUPPORTED",
        `this QEMU has no trace events ${EVENTS}: is it a qemu-system-ppc64?`,
      );
    }
    return usable.filter(({ state }) => state === "disabled").map(({ name }) => name);
  }

  /** Reads the log until the end of the session, or of QEMU. */
  async #follow(live: LiveLog): Promise<void> {
    const { refreshSeconds } = this.#options;
    let stateAt = 0;
    let shown = -1;
    let wasQuiet = true;
    while (!this.#monitor.isClosed && !this.#ends.aborted) {
      const isAll = await live.read(READ_AT_ONCE);
      const now = performance.now();
      if (now >= stateAt && (shown !== live.changes || !wasQuiet)) {
        shown = live.changes;
        wasQuiet = live.isQuiet;
        stateAt = now + refreshSeconds * 1000;
        this.#options.onState(this.#snapshot(live));
      }
      if (isAll) await pause(POLL_MS, this.#ends);
    }
  }

  /** Puts settings back, reads the rest of the log, and says how it ended. */
  async #end(cause: IommuError | undefined): Promise<AttachEnd> {
    const wasClosed = this.#monitor.isClosed;
    const { events, resume } = this.#changed;
    const isChanged = events.length > 0 || resume;
    let error = cause;
    let message = "trace settings were put back";
    let reason: AttachEnd["reason"] = this.#options.signal.aborted ? "asked" : "time";
    try {
      const restored = await this.#restore();
      if (wasClosed) {
        const closed = error ?? (await this.#monitor.closed);
        if (restored && isChanged)
          error = afterword(closed, "trace settings were put back over a new connection");
        else if (restored) error = closed;
        else if (this.#shutdown) reason = "qemu-ended";
        else error = afterword(closed, "QEMU ended without notice");
      }
      if (reason === "qemu-ended" && this.#isAttached) {
        error = undefined;
        message = "QEMU ended";
      }
    } catch (second) {
      const failed = `trace settings could not be put back: ${(second as Error).message}`;
      error =
        error === undefined
          ? new IommuError("PEER", failed, {}, { cause: second })
          : afterword(error, failed);
    }
    if (!this.#isAttached) {
      if (error !== undefined) throw error;
      this.#ends.throwIfAborted();
      throw new IommuError("PEER", `not attached: ${message}`);
    }
    const live = this.#live!;
    await this.#readRest(live).catch((second: IommuError) => {
      error ??= second;
    });
    live.end();
    const state = this.#snapshot(live);
    const doubts = [...this.#doubts];
    return error === undefined
      ? { reason, message, doubts, state }
      : { reason: "broken", message: error.message, error, doubts, state };
  }

  /** Reads what was written until now, unless that takes too long. */
  async #readRest(live: LiveLog): Promise<void> {
    const until = performance.now() + LAST_READ_MS;
    while (!(await live.read(READ_AT_ONCE))) {
      if (performance.now() < until) continue;
      this.#doubt(`the last ${formatSize(live.lag.bytes)} of the log were not read`);
      return;
    }
  }

  #snapshot(live: LiveLog): LiveSnapshot {
    return live.snapshot(this.#options.mappings, [...this.#doubts]);
  }

  #doubt(doubt: string): void {
    if (this.#doubts.has(doubt)) return;
    this.#doubts.add(doubt);
    this.#options.onDoubt(doubt);
  }

  /** Notifies the guard first, so that there is no moment in which nobody knows. */
  async #change(changes: Partial<ChangedSettings>): Promise<void> {
    this.#changed = { ...this.#changed, ...changes };
    await this.#options.guard.update(this.#changed);
  }

  /** @returns false if QEMU has ended, so that there was nothing to put back */
  async #restore(): Promise<boolean> {
    const limit = new AbortController();
    const timer = setTimeout(() => {
      const what = `that took longer than ${RESTORE_SECONDS} s; a process of ours goes on trying`;
      limit.abort(new IommuError("PEER", what, { seconds: RESTORE_SECONDS }));
    }, RESTORE_SECONDS * 1000);
    const restored = await restoreSettings(this.#changed, limit.signal, this.#monitor).finally(() =>
      clearTimeout(timer),
    );
    this.#changed = { ...this.#changed, events: [], resume: false, folder: undefined };
    await this.#options.guard.release();
    return restored;
  }
}

const afterword = (error: IommuError, words: string): IommuError =>
  new IommuError(error.code, `${error.message}; ${words}`, error.details, { cause: error });

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
