import { stat } from "node:fs/promises";
import { IommuError } from "../base/errors.ts";
import { hex, hex64 } from "../base/u64.ts";
import { formatSize } from "../base/units.ts";
import { bypassedInMemoryTree, windowsOfMemoryTree } from "../formats/machine/memory-tree.ts";
import type { ToldWindow } from "../formats/machine/told-window.ts";
import type { PhbConfig } from "../spapr/phb.ts";
import type { AttachOptions, BaseKind, BaseReport } from "./attach-options.ts";
import { readBaseState } from "./base-state.ts";
import { type FoundLog, isAskedFor } from "./find-log.ts";
import { refuseLargeTables } from "./large-tables.ts";
import { LiveLog } from "./live-log.ts";
import { sizeOf } from "./log-follower.ts";
import type { Commands } from "./monitor.ts";
import { type ChangedSettings, resumeGuest } from "./settings.ts";

/** How often a memory tree is read that changes meanwhile. */
const MAX_TREES = 10;
/** In which order they are tried. */
const AUTO: readonly BaseKind[] = ["log", "save", "mtree", "none"];

/** What a base is taken with. */
export interface BaseParts {
  readonly commands: Commands;
  /** Resolves when the monitor has ended, with the reason. */
  readonly closed: Promise<Error>;
  readonly signal: AbortSignal;
  readonly options: AttachOptions;
  readonly log: FoundLog;
  readonly bridges: readonly PhbConfig[];
  /** Trace events that are off. */
  readonly disabled: readonly string[];
  readonly change: (changes: Partial<ChangedSettings>) => Promise<void>;
  /** Switches the trace on. */
  readonly enable: () => Promise<void>;
  /** When the guest was last stopped and continued, in seconds since 1970, by QEMU's clock; NaN if QEMU did not say. */
  readonly pause: { readonly stoppedAt: number; readonly resumedAt: number };
  readonly onDoubt: (doubt: string) => void;
}

/** A log that is followed from here on, and what is known before. */
export interface Taken {
  readonly live: LiveLog;
  readonly report: BaseReport;
}

/**
 * Takes what is known to begin with, and switches the trace on so that nothing is missed between the two.
 *
 * @throws IommuError UNSUPPORTED or PEER if the base that was asked for cannot be taken
 */
export async function takeBase(parts: BaseParts): Promise<Taken> {
  const { base } = parts.options;
  if (base !== "auto") return await new Base(parts, []).take(base);
  const refused: string[] = [];
  for (const kind of AUTO) {
    try {
      return await new Base(parts, refused).take(kind);
    } catch (error) {
      // What ends the session ends this, too; and after the last there is no other.
      if (parts.signal.aborted || !(error instanceof IommuError) || kind === AUTO.at(-1)) throw error;
      refused.push(`${kind}: ${error.message}`);
      if (kind === "save") await resumeGuest(parts.commands);
    }
  }
  throw new IommuError("UNSUPPORTED", refused.join("; "));
}

class Base {
  readonly #parts: BaseParts;
  readonly #refused: readonly string[];

  constructor(parts: BaseParts, refused: readonly string[]) {
    this.#parts = parts;
    this.#refused = refused;
  }

  take(kind: BaseKind): Promise<Taken> {
    switch (kind) {
      case "log":
        return this.#log();
      case "save":
        return this.#save();
      case "mtree":
        return this.#memoryTree();
      case "none":
        return this.#none();
    }
  }

  /** Reads a log that has been on from the start. Its windows must be those of QEMU's memory tree. */
  async #log(): Promise<Taken> {
    const { log, disabled, commands } = this.#parts;
    const off = disabled[0];
    if (off !== undefined) throw new IommuError("UNSUPPORTED", `trace event ${off} was off`);
    const names = (await commands.execute("trace-event-get-state", { name: "spapr_iommu_*" })).list;
    const later = names
      .map((event) => event.get("name").text)
      .find((name) => !isAskedFor(name, log.patterns));
    if (later !== undefined) {
      throw new IommuError(
        "UNSUPPORTED",
        `QEMU's command line does not switch ${later} on (-trace "spapr_iommu_*"), so that the log may not have it from the start`,
      );
    }
    // What is wrong with it now speaks against this base; later it is told.
    let refuse: ((doubt: string) => void) | undefined = (doubt) => {
      throw new IommuError("UNSUPPORTED", doubt);
    };
    const live = this.#follow(log.from, [], (doubt) => (refuse ?? this.#parts.onDoubt)(doubt));
    try {
      await live.read();
      live.settle();
      const tree = await this.#tree();
      checkWindows(live, windowsOfMemoryTree(tree));
      for (const liobn of bypassedInMemoryTree(tree)) live.rebuild.setBypass(liobn, true);
      refuse = undefined;
      return this.#taken(live, "log", live.offset - log.from, 0);
    } catch (error) {
      await live.close();
      throw error;
    }
  }

  /** Has QEMU save its state; the guest stands still from then on until the trace is on. */
  async #save(): Promise<Taken> {
    const { commands, closed, signal, change, enable, options, pause } = this.#parts;
    if ("domain" in options.monitor) {
      throw new IommuError(
        "UNSUPPORTED",
        "libvirt does not let others save its domains: what virsh save or virsh dump writes is read by info and map",
      );
    }
    if (options.largeWindows !== true) refuseLargeTables(windowsOfMemoryTree(await this.#tree()));
    const { stream, wasRunning } = await readBaseState(
      commands,
      closed,
      signal,
      await this.#userOf(options.monitor.socket),
      change,
    );
    const live = this.#follow(await sizeOf(this.#parts.log.path));
    for (const { liobn, geometry, table, bypass } of stream.windows) {
      live.rebuild.load(liobn, geometry?.pageShift ?? 12, geometry?.busOffset ?? 0n, table);
      live.rebuild.setBypass(liobn, bypass);
    }
    await enable();
    if (wasRunning) {
      await commands.execute("cont");
      await change({ resume: false });
      // The events of both have come: QEMU sends them before the answers of later commands.
      await commands.execute("query-status");
    }
    return this.#taken(live, "save", stream.length, wasRunning ? pause.resumedAt - pause.stoppedAt : 0);
  }

  /** Windows by QEMU's memory tree, which must be the same before and after the trace was switched on. */
  async #memoryTree(): Promise<Taken> {
    const offset = await sizeOf(this.#parts.log.path);
    let before = await this.#tree();
    await this.#parts.enable();
    for (let i = 0; i < MAX_TREES; i++) {
      const from = i === 0 ? offset : await sizeOf(this.#parts.log.path);
      const now = await this.#tree();
      if (now === before) {
        const live = this.#follow(from, windowsOfMemoryTree(now));
        const unplaced = live.rebuild.adoptTold();
        for (const liobn of bypassedInMemoryTree(now)) live.rebuild.setBypass(liobn, true);
        for (const { liobn, busOffset, bytes } of unplaced) {
          this.#parts.onDoubt(
            `the size of pages of window ${hex(liobn)}, ${formatSize(bytes)} at ${hex64(busOffset)}, is not known: it is shown from its first translation on`,
          );
        }
        return this.#taken(live, "mtree", 0, 0);
      }
      before = now;
    }
    throw new IommuError("PEER", `QEMU's memory tree changed ${MAX_TREES} times while it was read`);
  }

  async #none(): Promise<Taken> {
    const live = this.#follow(await sizeOf(this.#parts.log.path));
    await this.#parts.enable();
    return this.#taken(live, "none", 0, 0);
  }

  #follow(offset: number, told: readonly ToldWindow[] = [], onDoubt = this.#parts.onDoubt): LiveLog {
    const { log, options, bridges } = this.#parts;
    return new LiveLog({ log: log.path, offset, profile: options.profile, bridges, told }, onDoubt);
  }

  #taken(live: LiveLog, kind: BaseKind, bytes: number, pausedSeconds: number): Taken {
    const windows = live.rebuild.windows.size;
    return { live, report: { kind, refused: this.#refused, pausedSeconds, bytes, windows } };
  }

  /** The user whose QEMU listens on a socket. */
  async #userOf(socket: string): Promise<number> {
    try {
      return (await stat(socket)).uid;
    } catch (cause) {
      // A QEMU that ends takes its socket away before it closes the connection, and that is the better reason.
      await this.#parts.commands.execute("query-status");
      const gone = `${socket} was taken away, and with it whose QEMU it is: ${(cause as Error).message}`;
      throw new IommuError("PEER", gone, { socket }, { cause });
    }
  }

  /** The lines of QEMU's memory tree that show windows, those that are hidden or bypassed included. */
  async #tree(): Promise<string> {
    const command = "info mtree -D";
    const { text } = await this.#parts.commands.execute("human-monitor-command", { "command-line": command });
    if (!/^address-space: /m.test(text)) {
      const said = JSON.stringify(text.slice(0, 60));
      throw new IommuError("PEER", `QEMU's answer to ${command} shows no address space: ${said}`);
    }
    const lines = text.split("\n").filter((line) => line.includes(": tce-"));
    return lines.join("\n");
  }
}

/** @throws IommuError UNSUPPORTED if a log has other windows than QEMU's memory tree */
function checkWindows(live: LiveLog, tree: readonly ToldWindow[]): void {
  for (const { liobn, busOffset, bytes } of tree) {
    const window = live.rebuild.windows.get(liobn)?.window;
    const isSame =
      window !== undefined &&
      window.busOffset === busOffset &&
      BigInt(window.entries) << BigInt(window.pageShift) === bytes;
    if (isSame) continue;
    const place = `window ${hex(liobn)} of ${formatSize(bytes)} at ${hex64(busOffset)}`;
    throw new IommuError("UNSUPPORTED", `the log does not have ${place} of QEMU's memory tree`);
  }
  for (const liobn of live.rebuild.windows.keys()) {
    if (tree.some((told) => told.liobn === liobn)) continue;
    throw new IommuError(
      "UNSUPPORTED",
      `QEMU's memory tree does not have window ${hex(liobn)}, which the log has`,
    );
  }
}
