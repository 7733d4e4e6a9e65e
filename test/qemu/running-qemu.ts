import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import type { OpScript } from "../../src/formats/op-script/script.ts";
import { MAILBOX_ADDRESS, MAILBOX_BYTES, RecordKind, readMailbox } from "../../src/live/firmware/layout.ts";
import { FirmwareScript } from "../../src/live/firmware/script.ts";
import { findQemu } from "../../src/live/qemu-program.ts";
import { QmpClient } from "../../src/live/qmp.ts";
import { bridgesOf, qemuArguments, readAt, writeGuestMemory } from "../../src/live/real-qemu.ts";

/** A word of guest memory that the firmware waits for at gates. */
const GATE_ADDRESS = 0x3ff_0000;
const LOGICAL_CI_LOAD = 0x3c;

/** How to start a QEMU that stays. */
export interface StartOptions {
  /** Numbers of lines before which the guest waits until the test lets it go on; it waits at the end, too. */
  readonly gates?: readonly number[];
  /** Without `-D` the log goes to standard error. */
  readonly log?: boolean;
  readonly more?: readonly string[];
}

/** A real QEMU that runs a script in steps, with two monitors: `qmp` for the tool, the other one for the test. */
export class RunningQemu {
  readonly folder: string;
  readonly qmp: string;
  readonly log: string;
  readonly child: ChildProcess;
  stderr = "";
  readonly #ram: string;
  /** Records that are done when the guest waits at each gate. */
  readonly #gateRecords: readonly number[];
  #opened = 0;

  private constructor(folder: string, child: ChildProcess, gateRecords: readonly number[]) {
    this.folder = folder;
    this.qmp = path.join(folder, "qmp");
    this.log = path.join(folder, "log");
    this.#ram = path.join(folder, "ram");
    this.child = child;
    this.#gateRecords = gateRecords;
    child.stderr?.on("data", (chunk) => {
      this.stderr += String(chunk);
    });
  }

  static async start(script: OpScript, options: StartOptions = {}): Promise<RunningQemu> {
    const { gates = [], log = true, more = [] } = options;
    const folder = mkdtempSync(path.join(existsSync("/dev/shm") ? "/dev/shm" : "/tmp", "spapr-iommu-test-"));
    const bridges = bridgesOf(script);
    const compiled = new FirmwareScript(bridges);
    const gateRecords: number[] = [];
    script.lines.forEach((line, i) => {
      if (gates.includes(i)) addGate(compiled, gateRecords);
      compiled.add(line);
    });
    addGate(compiled, gateRecords);
    const files = { ram: path.join(folder, "ram"), log: path.join(folder, "log") };
    writeGuestMemory(files.ram, script, compiled.bytes());
    const args = qemuArguments(script, bridges, files);
    if (!log) args.splice(args.indexOf("-D"), 2);
    for (const name of ["qmp", "test"]) {
      args.push("-qmp", `unix:${path.join(folder, name)},server=on,wait=off`);
    }
    const { program, firstArguments } = await findQemu();
    const child = spawn(program, [...firstArguments, ...args, ...more], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const qemu = new RunningQemu(folder, child, gateRecords);
    await until(() => existsSync(path.join(folder, "test")) || child.exitCode !== null, "QEMU's monitor");
    return qemu;
  }

  get done(): number {
    return Number(readMailbox(readAt(this.#ram, MAILBOX_ADDRESS, MAILBOX_BYTES)).done);
  }

  /** Waits until the guest stands at the next gate that is closed. */
  async atGate(): Promise<void> {
    await until(() => this.done === this.#gateRecords[this.#opened], `gate ${this.#opened} (${this.stderr})`);
  }

  /** Lets the guest go on. */
  openGate(): void {
    const word = Buffer.alloc(8);
    word.writeBigUInt64BE(BigInt(++this.#opened));
    const fd = openSync(this.#ram, "r+");
    writeSync(fd, word, 0, 8, GATE_ADDRESS);
    closeSync(fd);
  }

  /** The test's own monitor. */
  monitor(): Promise<QmpClient> {
    return QmpClient.connect(path.join(this.folder, "test"));
  }

  /** What the tool may have left behind. */
  async settings(): Promise<{ enabled: string[]; status: string }> {
    const client = await this.monitor();
    const events = (await client.execute("trace-event-get-state", { name: "*" })).list;
    const status = (await client.execute("query-status")).get("status").text;
    client.close();
    const enabled = events.filter((event) => event.get("state").text === "enabled");
    return { enabled: enabled.map((event) => event.get("name").text), status };
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const closed = new Promise((resolve) => this.child.on("exit", resolve));
      this.child.kill("SIGKILL");
      await closed;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function addGate(script: FirmwareScript, gateRecords: number[]): void {
  gateRecords.push(script.records);
  const words = [0xffff_ffff, gateRecords.length, 2n ** 40n, LOGICAL_CI_LOAD, 8, GATE_ADDRESS];
  script.record(RecordKind.POLL, words);
}

export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  seconds = 60,
): Promise<void> {
  for (const end = performance.now() + seconds * 1000; !(await condition()); ) {
    if (performance.now() > end) throw new Error(`waited ${seconds} s in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
