import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import type { OpScript } from "../../src/formats/op-script/script.ts";
import type { Commands } from "../../src/live/monitor.ts";
import { findQemu } from "../../src/live/qemu-program.ts";
import { QmpClient } from "../../src/live/qmp.ts";
import { GatedGuest } from "./gated-guest.ts";
import { until } from "./until.ts";

/** How to start a QEMU that stays. */
export interface StartOptions {
  /** Numbers of lines before which the guest waits until the test lets it go on; it waits at the end, too. */
  readonly gates?: readonly number[];
  /** Without `-D` the log goes to standard error. */
  readonly log?: boolean;
  readonly more?: readonly string[];
}

/** What the tool may have left behind. */
export interface QemuSettings {
  readonly enabled: readonly string[];
  readonly status: string;
}

/** A real QEMU that runs a script in steps, with two monitors: `qmp` for the tool, the other one for the test. */
export class RunningQemu {
  readonly guest: GatedGuest;
  readonly qmp: string;
  readonly child: ChildProcess;
  stderr = "";

  private constructor(guest: GatedGuest, child: ChildProcess) {
    this.guest = guest;
    this.qmp = path.join(guest.folder, "qmp");
    this.child = child;
    child.stderr?.on("data", (chunk) => {
      this.stderr += String(chunk);
    });
  }

  static async start(script: OpScript, options: StartOptions = {}): Promise<RunningQemu> {
    const { gates = [], log = true, more = [] } = options;
    const guest = new GatedGuest(script, gates);
    const args = [...guest.args];
    if (!log) args.splice(args.indexOf("-D"), 2);
    for (const name of ["qmp", "test"]) {
      args.push("-qmp", `unix:${path.join(guest.folder, name)},server=on,wait=off`);
    }
    const { program, firstArguments } = await findQemu();
    const child = spawn(program, [...firstArguments, ...args, ...more], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const qemu = new RunningQemu(guest, child);
    await until(
      () => existsSync(path.join(guest.folder, "test")) || child.exitCode !== null,
      "QEMU's monitor",
    );
    return qemu;
  }

  get folder(): string {
    return this.guest.folder;
  }

  get log(): string {
    return this.guest.log;
  }

  /** Waits until the guest stands at the next gate that is closed. */
  atGate(): Promise<void> {
    return this.guest.atGate(() => this.stderr);
  }

  /** Lets the guest go on. */
  openGate(): void {
    this.guest.openGate();
  }

  /** The test's own monitor. */
  monitor(): Promise<QmpClient> {
    return QmpClient.connect(path.join(this.folder, "test"));
  }

  async settings(): Promise<QemuSettings> {
    const client = await this.monitor();
    const settings = await settingsOf(client);
    client.close();
    return settings;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const closed = new Promise((resolve) => this.child.on("exit", resolve));
      this.child.kill("SIGKILL");
      await closed;
    }
    this.guest.remove();
  }
}

/** What the tool may have left behind. */
export async function settingsOf(commands: Commands): Promise<QemuSettings> {
  const events = (await commands.execute("trace-event-get-state", { name: "*" })).list;
  const status = (await commands.execute("query-status")).get("status").text;
  const enabled = events.filter((event) => event.get("state").text === "enabled");
  return { enabled: enabled.map((event) => event.get("name").text), status };
}
