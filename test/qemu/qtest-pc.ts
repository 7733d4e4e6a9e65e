import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { until } from "./until.ts";

/** Ports of a PC through which configuration space is reached. */
const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;
const MEMORY_BYTES = 64 * 2 ** 20;

/**
 * A PC (q35) of a real QEMU whose processor stands still: QEMU's own test protocol does what a driver would do.
 */
export class QtestPc {
  readonly memoryBytes = MEMORY_BYTES;
  /** Inputs of the interrupt controller that were raised, if it was told to say so. */
  readonly interrupts: number[] = [];
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #socket: Socket;
  readonly #stderr: () => string;
  #answer: (line: string) => void = () => {};

  private constructor(child: ChildProcess, folder: string, socket: Socket, stderr: () => string) {
    this.#child = child;
    this.#folder = folder;
    this.#socket = socket;
    this.#stderr = stderr;
    createInterface({ input: socket }).on("line", (line) => {
      if (line.startsWith("IRQ raise")) this.interrupts.push(Number(line.split(" ")[2]));
      else if (!line.startsWith("IRQ")) this.#answer(line);
    });
  }

  /** @param device socket of a vfio-user server, which is plugged into slot 3 */
  static async start(program: string, device: string): Promise<QtestPc> {
    const folder = mkdtempSync(path.join(tmpdir(), "spapr-iommu-pc-"));
    const qtest = path.join(folder, "qtest");
    const plugged = { driver: "vfio-user-pci", addr: "3", socket: { type: "unix", path: device } };
    const machine = ["-S", "-M", "q35", "-accel", "tcg", "-m", "64", "-nodefaults", "-display", "none"];
    const test = ["-qtest", `unix:${qtest},server=on,wait=off`, "-qtest-log", "/dev/null"];
    const child = spawn(program, [...machine, ...test, "-device", JSON.stringify(plugged)], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += String(chunk);
    });
    await until(
      () => {
        if (child.exitCode !== null) throw new Error(`QEMU ended: ${stderr}`);
        return existsSync(qtest);
      },
      () => `QEMU's test socket (${stderr})`,
      30,
    );
    const socket = connect(qtest);
    await new Promise((resolve, reject) => {
      socket.once("connect", resolve).once("error", reject);
    });
    return new QtestPc(child, folder, socket, () => stderr);
  }

  get stderr(): string {
    return this.#stderr();
  }

  /** A command of the protocol; what it answers behind `OK`. */
  async command(line: string): Promise<string> {
    const answer = new Promise<string>((resolve) => {
      this.#answer = resolve;
    });
    this.#socket.write(`${line}\n`);
    const said = await answer;
    if (!said.startsWith("OK")) throw new Error(`${line}: ${said}`);
    return said.slice(3);
  }

  async configWrite(register: number, value: number): Promise<void> {
    await this.command(`outl ${CONFIG_ADDRESS} ${0x8000_0000 + (3 << 11) + register}`);
    await this.command(`outl ${CONFIG_DATA} ${value}`);
  }

  async configRead(register: number): Promise<number> {
    await this.command(`outl ${CONFIG_ADDRESS} ${0x8000_0000 + (3 << 11) + register}`);
    return Number(await this.command(`inl ${CONFIG_DATA}`));
  }

  async writeWord(address: number, value: number): Promise<void> {
    await this.command(`writel ${address} ${value}`);
  }

  async readWord(address: number): Promise<number> {
    return Number(await this.command(`readl ${address}`));
  }

  async writeMemory(address: number, data: Uint8Array): Promise<void> {
    await this.command(`write ${address} ${data.length} 0x${Buffer.from(data).toString("hex")}`);
  }

  async readMemory(address: number, bytes: number): Promise<Uint8Array> {
    return Uint8Array.from(Buffer.from((await this.command(`read ${address} ${bytes}`)).slice(2), "hex"));
  }

  async stop(): Promise<void> {
    this.#socket.destroy();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const closed = new Promise((resolve) => this.#child.on("exit", resolve));
      this.#child.kill("SIGKILL");
      await closed;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
