import { type ChildProcess, execFile, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import type { OpScript } from "../../src/formats/op-script/script.ts";
import { findQemu } from "../../src/live/qemu-program.ts";
import { VirshMonitor } from "../../src/live/virsh-monitor.ts";
import { GatedGuest } from "./gated-guest.ts";
import { type QemuSettings, settingsOf } from "./running-qemu.ts";
import { until } from "./until.ts";

/** Root has its libvirt run by a user without rights: only such a one has sessions, which need nothing of the system. */
const NOBODY = 65_534;
const NAME = "spapr-iommu-test";

/**
 * A domain of a libvirt of our own: its daemons, sockets, settings and logs are in the guest's folder, and gone with it.
 * Nothing of the system's libvirt is touched.
 */
export class LibvirtDomain {
  readonly name: string = NAME;
  readonly guest: GatedGuest;
  /** What virsh connects to. */
  readonly uri: string;
  /** Of every process that has to do with this libvirt. */
  readonly env: Readonly<Record<string, string>>;
  readonly #daemons: ChildProcess[] = [];
  #said = "";

  private constructor(guest: GatedGuest) {
    const { folder } = guest;
    this.guest = guest;
    this.uri = `qemu+unix:///session?socket=${folder}/run/libvirt/libvirt-sock`;
    this.env = {
      PATH: process.env.PATH ?? "",
      HOME: folder,
      XDG_RUNTIME_DIR: path.join(folder, "run"),
      XDG_CONFIG_HOME: path.join(folder, "config"),
      XDG_CACHE_HOME: path.join(folder, "cache"),
      XDG_DATA_HOME: path.join(folder, "data"),
    };
  }

  /**
   * @param more arguments of QEMU
   * @throws if libvirt is not installed, or does not start the domain
   */
  static async start(
    script: OpScript,
    gates: readonly number[],
    more: readonly string[],
  ): Promise<LibvirtDomain> {
    const domain = new LibvirtDomain(new GatedGuest(script, gates));
    try {
      await domain.#start(more);
      return domain;
    } catch (error) {
      await domain.stop();
      throw new Error(`${(error as Error).message}\n${domain.#said}`, { cause: error });
    }
  }

  async #start(more: readonly string[]): Promise<void> {
    const { folder, args } = this.guest;
    for (const name of ["run", "config", "cache", "data"])
      mkdirSync(path.join(folder, name), { mode: 0o700 });
    const { program, firstArguments } = await findQemu();
    const emulator = path.join(folder, "emulator");
    writeFileSync(emulator, `#!/bin/sh\nexec ${[program, ...firstArguments].join(" ")} "$@"\n`);
    chmodSync(emulator, 0o755);
    // The image may lie where nobody else may read.
    const image = path.join(folder, "firmware");
    copyFileSync(args[args.indexOf("-bios") + 1]!, image);
    const own = args.with(args.indexOf("-bios") + 1, image).toSpliced(args.indexOf("-D"), 2);
    const xml = path.join(folder, "domain.xml");
    writeFileSync(xml, domainXml(emulator, [...own, ...more]));
    if (process.getuid?.() === 0) {
      for (const name of [".", ...readdirSync(folder)]) chownSync(path.join(folder, name), NOBODY, NOBODY);
    }
    for (const [daemon, socket] of [
      ["virtlogd", "virtlogd-sock"],
      ["libvirtd", "libvirt-sock"],
    ] as const) {
      await this.#startDaemon(daemon, path.join(folder, "run/libvirt", socket));
    }
    await this.virsh("define", xml);
    await this.virsh("start", NAME);
  }

  async #startDaemon(program: string, socket: string): Promise<void> {
    const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    const child = spawn(program, [], { ...user, env: this.env, stdio: ["ignore", "ignore", "pipe"] });
    this.#daemons.push(child);
    child.stderr.on("data", (chunk) => {
      this.#said += String(chunk);
    });
    let failed: string | undefined;
    child.on("error", (error) => {
      failed = `${program} is not there (Debian's packages are libvirt-daemon and libvirt-clients): ${error.message}`;
    });
    await until(
      () => existsSync(socket) || failed !== undefined || child.exitCode !== null,
      `${program}'s socket`,
    );
    if (failed !== undefined) throw new Error(`libvirt is not installed: ${failed}`);
    if (child.exitCode !== null) throw new Error(`${program} ended with status ${child.exitCode}`);
  }

  async virsh(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)("virsh", ["--connect", this.uri, ...args], {
      env: this.env,
    });
    return stdout;
  }

  async settings(): Promise<QemuSettings> {
    const monitor = await VirshMonitor.open(NAME, this.uri);
    const settings = await settingsOf(monitor);
    monitor.close();
    return settings;
  }

  /** Ends the domain and libvirt, and removes the folder. */
  async stop(): Promise<void> {
    if (this.#daemons.length === 2) await this.virsh("destroy", NAME).catch(() => {});
    for (const child of this.#daemons.reverse()) {
      if (child.pid === undefined || child.exitCode !== null) continue;
      const ended = new Promise((resolve) => child.on("exit", resolve));
      child.kill("SIGTERM");
      const limit = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(limit);
    }
    this.guest.remove();
  }
}

const escaped = (text: string): string =>
  text.replace(/[&<>'"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** A domain of which libvirt knows little: it passes on the arguments that QEMU is started with in other tests. */
const domainXml = (emulator: string, args: readonly string[]): string => `
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>${NAME}</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os><type arch='ppc64' machine='pseries'>hvm</type></os>
  <on_poweroff>destroy</on_poweroff>
  <devices>
    <emulator>${escaped(emulator)}</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>
    ${args.map((arg) => `<qemu:arg value='${escaped(arg)}'/>`).join("\n    ")}
  </qemu:commandline>
</domain>
`;
