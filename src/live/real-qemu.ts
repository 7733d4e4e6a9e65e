import { spawn } from "node:child_process";
import {
  closeSync,
  createReadStream,
  existsSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { IommuError } from "../base/errors.ts";
import { hex } from "../base/u64.ts";
import type { OpScript } from "../formats/op-script/script.ts";
import type { OpResult } from "../script/op/result.ts";
import { Machine } from "../spapr/machine.ts";
import { DmaTrace } from "./firmware/dma-trace.ts";
import {
  MAILBOX_ADDRESS,
  MAILBOX_BYTES,
  type Mailbox,
  RESULT_ADDRESS,
  RESULT_LIMIT,
  readMailbox,
  SCRIPT_ADDRESS,
} from "./firmware/layout.ts";
import { FirmwareScript } from "./firmware/script.ts";
import { type BridgeProperties, devicesOf } from "./firmware/test-devices.ts";
import { makePrivateFolder } from "./private-folder.ts";
import type { QemuProgram } from "./qemu-program.ts";

/** The image ships with the package; compiled files lie two folders below its root. */
const FIRMWARE: string = fileURLToPath(new URL("../../oracle/firmware/firmware.bin", import.meta.url));
/** The last part of QEMU's messages that is kept. */
const MAX_MESSAGES = 65_536;

/**
 * How a run on QEMU may be limited.
 *
 * @public
 */
export interface RunLimits {
  /** Default: 600 s. */
  readonly timeoutSeconds?: number;
  /** Ends QEMU and cleans up. */
  readonly signal?: AbortSignal;
}

/**
 * How QEMU ended before the script did.
 *
 * @public
 */
export interface Crash {
  readonly signal: string | null;
  readonly code: number | null;
  /** The last line that QEMU printed. */
  readonly message: string;
}

/**
 * What a script did on real QEMU.
 *
 * @public
 */
export interface RealRun {
  /** One for each operation that was completed. */
  readonly results: readonly OpResult[];
  /** Null if the script ran to its end; otherwise the operation after the last result was running. */
  readonly crash: Crash | null;
  /** Lines that QEMU printed. */
  readonly messages: readonly string[];
}

/**
 * Runs an op script in a fresh machine of real QEMU, on the oracle's firmware.
 *
 * @throws IommuError PEER if QEMU does not start, does not come to an end in time, or the
 * firmware fails; UNSUPPORTED for an operation that the firmware cannot do
 * @public
 */
export async function runOnQemu(
  script: OpScript,
  qemu: QemuProgram,
  limits: RunLimits = {},
): Promise<RealRun> {
  const bridges = bridgesOf(script);
  const compiled = new FirmwareScript(bridges);
  for (const line of script.lines) compiled.add(line);
  // Memory that is a file in memory is fast, and QEMU's writes are seen at once.
  const folder = await makePrivateFolder(existsSync("/dev/shm") ? "/dev/shm" : tmpdir());
  try {
    const files = { ram: path.join(folder, "ram"), log: path.join(folder, "log") };
    writeGuestMemory(files.ram, script, compiled.bytes());
    const end = await runProcess(qemu, qemuArguments(script, bridges, files), limits);
    return await collect(compiled, files, end, limits);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The bridges of a script's machine, with the defaults of the profile that imitates QEMU. */
export const bridgesOf = (script: OpScript): readonly BridgeProperties[] => new Machine(script.config).phbs;

/** Files through which a run and QEMU speak. */
export interface RunFiles {
  /** Guest memory. */
  readonly ram: string;
  /** QEMU's log. */
  readonly log: string;
}

/** Makes the file that is the guest's memory, with a compiled script in it. */
export function writeGuestMemory(file: string, script: OpScript, records: Uint8Array): void {
  const fd = openSync(file, "w+", 0o600);
  try {
    ftruncateSync(fd, Number(script.config.ramSize));
    for (let at = 0; at < records.length; ) at += writeSync(fd, records, at, undefined, SCRIPT_ADDRESS + at);
  } finally {
    closeSync(fd);
  }
}

/** QEMU's arguments for the machine of a script, with a test device on each bridge that does DMA. */
export function qemuArguments(
  script: OpScript,
  bridges: readonly BridgeProperties[],
  files: RunFiles,
): string[] {
  const { machine = "pseries" } = script.header.value;
  const megabytes = Number(script.config.ramSize) / 2 ** 20;
  // What TCG cannot do, so that QEMU does not warn of it.
  const quiet = "cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off";
  const args = [
    ...["-M", `${machine},memory-backend=ram,${quiet}`, "-accel", "tcg,thread=single", "-smp", "1"],
    ...["-m", `${megabytes}M`, "-nodefaults", "-display", "none", "-no-user-config", "-bios", FIRMWARE],
    ...["-object", `memory-backend-file,id=ram,size=${megabytes}M,share=on,mem-path=${files.ram}`],
    ...["-D", files.log],
  ];
  for (const property of bridgeProperties(bridges[0]!)) {
    const [name, value] = property;
    args.push("-global", `driver=spapr-pci-host-bridge,property=${name},value=${value}`);
  }
  for (const bridge of bridges.slice(1)) {
    const properties = bridgeProperties(bridge).map(([name, value]) => `${name}=${value}`);
    const { index } = bridge;
    args.push("-device", `spapr-pci-host-bridge,index=${index},id=phb${index},${properties.join(",")}`);
  }
  for (const { type, reg } of script.config.vio ?? []) {
    args.push("-device", reg === undefined ? type : `${type},reg=${hex(reg)}`);
  }
  const devices = devicesOf(script.lines);
  for (const index of devices) {
    const bus = index === 0 ? "pci.0" : `phb${index}.0`;
    args.push("-device", `edu,bus=${bus},addr=1.0,dma_mask=0xffffffffffffffff`);
  }
  if (devices.length > 0) {
    args.push("-trace", "spapr_iommu_pci_get", "-trace", "spapr_iommu_xlate");
    // A transfer of the test device takes 100 ms of virtual time, which need not be waited for.
    args.push("-icount", "shift=10,sleep=off");
  }
  return args;
}

const bridgeProperties = (bridge: BridgeProperties): [name: string, value: string][] => [
  ["ddw", bridge.ddw ? "on" : "off"],
  ["pgsz", hex(bridge.pgsz)],
  ["dma_win_addr", hex(bridge.dmaWinAddr)],
  ["dma_win_size", hex(bridge.dmaWinSize)],
  ["dma64_win_addr", hex(bridge.dma64WinAddr)],
];

/** How the process of QEMU ended. */
interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly messages: readonly string[];
}

function runProcess(qemu: QemuProgram, args: readonly string[], limits: RunLimits): Promise<ProcessEnd> {
  const { timeoutSeconds = 600, signal } = limits;
  return new Promise((resolve, reject) => {
    // In a group of its own: the program may be a wrapper that waits for QEMU, and both have to end.
    const child = spawn(qemu.program, [...qemu.firstArguments, ...args], {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    let stderr = "";
    let timedOut = false;
    const kill = (): void => {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      process.kill(-child.pid, "SIGKILL");
    };
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, timeoutSeconds * 1000);
    signal?.addEventListener("abort", kill);
    if (signal?.aborted) kill();
    child.stderr.on("data", (chunk: Buffer) => {
      stderr = (stderr + chunk.toString("latin1")).slice(-MAX_MESSAGES);
    });
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(new IommuError("PEER", `QEMU could not be started: ${cause.message}`, {}, { cause }));
    });
    child.on("close", (code, killedBy) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", kill);
      const messages = stderr
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => line.replace(/^\S*qemu-system-ppc64: /, ""));
      if (signal?.aborted) reject(signal.reason as Error);
      else resolve({ code, signal: killedBy, timedOut, messages });
    });
  });
}

/** Reads what the firmware left behind. */
async function collect(
  compiled: FirmwareScript,
  files: RunFiles,
  end: ProcessEnd,
  limits: RunLimits,
): Promise<RealRun> {
  const { messages, code, signal, timedOut } = end;
  const said = messages.length > 0 ? `: ${messages.slice(-3).join("; ")}` : "";
  const mailbox = readMailbox(readAt(files.ram, MAILBOX_ADDRESS, MAILBOX_BYTES));
  const [vector, srr0, srr1] = mailbox.trap;
  if (mailbox.magic === 0n) {
    throw new IommuError("PEER", `QEMU ended (${signal ?? `status ${code}`}) before the firmware ran${said}`);
  }
  const progress = `${mailbox.done} of ${compiled.records} records done`;
  if (vector !== 0n) {
    const where = `SRR0 ${hex(srr0)}, SRR1 ${hex(srr1)}`;
    throw new IommuError("PEER", `exception ${hex(vector)} in the firmware, ${where}, ${progress}`);
  }
  if (timedOut) {
    const seconds = limits.timeoutSeconds ?? 600;
    throw new IommuError("PEER", `QEMU did not come to an end within ${seconds} s, ${progress}${said}`);
  }
  const trace = await readTrace(files.log);
  const results = compiled.decode(readResults(files.ram, mailbox), mailbox.done, trace);
  return {
    results,
    crash: mailbox.finished ? null : { signal, code, message: messages.at(-1) ?? "" },
    messages,
  };
}

function readResults(ram: string, { resultEnd }: Mailbox): Uint8Array {
  const end = Number(resultEnd);
  if (end > RESULT_LIMIT) {
    const limit = RESULT_LIMIT - RESULT_ADDRESS;
    throw new IommuError(
      "LIMIT_EXCEEDED",
      `the results take ${end - RESULT_ADDRESS} bytes, one run has ${limit}`,
    );
  }
  return readAt(ram, RESULT_ADDRESS, end - RESULT_ADDRESS);
}

/** Bytes of a file, which is as long as guest memory. */
export function readAt(file: string, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const fd = openSync(file, "r");
  try {
    for (let at = 0; at < length; ) {
      const count = readSync(fd, bytes, at, length - at, offset + at);
      if (count === 0) break;
      at += count;
    }
  } finally {
    closeSync(fd);
  }
  return bytes;
}

async function readTrace(log: string): Promise<DmaTrace> {
  const trace = new DmaTrace();
  if (existsSync(log)) for await (const chunk of createReadStream(log)) trace.push(chunk as Buffer);
  trace.end();
  return trace;
}
