import { IommuError } from "../../base/errors.ts";
import type { ByteStream } from "../migration/source.ts";
import { nodeBuiltin } from "./node-builtin.ts";
import type { Packing } from "./packing.ts";
import { unpackError } from "./unpack-error.ts";

/** The part of Node's `child_process` that is used. */
interface ChildProcesses {
  spawn(program: string, args: readonly string[], options: object): Child;
}

interface Child {
  readonly stdin: {
    write(bytes: Uint8Array): boolean;
    end(): void;
    destroy(): void;
    once(event: string, handle: () => void): void;
    on(event: "error", handle: () => void): void;
  };
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: { on(event: "data", handle: (bytes: Uint8Array) => void): void };
  on(event: "error", handle: (error: Error & { code?: string }) => void): void;
  on(event: "close", handle: (status: number | null, signal: string | null) => void): void;
  kill(): void;
}

interface Program {
  readonly name: string;
  readonly args: readonly string[];
  /** Where Debian has it. */
  readonly package: string;
  /** What it says of data that is right, and ends with status 2 for. */
  readonly remark?: RegExp;
}

/** Packed data says how much memory it takes to unpack it: `xz -9` 65 MiB. */
const XZ_MEMORY = "256MiB";

const PROGRAMS: Readonly<Record<Exclude<Packing, "gzip" | "zstd">, Program>> = {
  xz: { name: "xz", args: ["-dc", `--memlimit-decompress=${XZ_MEMORY}`], package: "xz-utils" },
  bzip2: { name: "bzip2", args: ["-dc"], package: "bzip2" },
  // Without -q, which is silent about what follows the data, too.
  lzop: { name: "lzop", args: ["-dc"], package: "lzop", remark: /warning: this is a multipart archive/ },
};

/** What a program says of its trouble, at most. */
const MAX_COMPLAINT = 500;

/**
 * Unpacks by a program of the system, through pipes and without a shell.
 *
 * @throws IommuError UNSUPPORTED if there is no such program; BAD_FILE for what it complains of, with the reason in
 * `details.early`: what came before can be used
 */
export async function* unpackByProgram(
  packing: keyof typeof PROGRAMS,
  packed: ByteStream,
  name: string,
): ByteStream {
  const program = PROGRAMS[packing];
  const processes = nodeBuiltin<ChildProcesses>("child_process");
  if (processes === undefined) {
    const message = `${name}: is packed by ${packing}, which cannot be unpacked here: unpack it first (${program.name} -d)`;
    throw new IommuError("UNSUPPORTED", message, { path: name, packing });
  }
  const child = processes.spawn(program.name, program.args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...environment(), LC_ALL: "C" },
  });
  let complaint = "";
  child.stderr.on("data", (bytes) => {
    if (complaint.length < MAX_COMPLAINT) complaint += new TextDecoder().decode(bytes);
  });
  let failure: (Error & { code?: string }) | undefined;
  child.on("error", (error) => {
    failure = error;
  });
  const closed = new Promise<string>((resolve) => {
    child.on("close", (status, signal) => resolve(status === 0 ? "" : `status ${status ?? signal}`));
  });
  const feeder = new Feeder(packed, child);
  const fed = feeder.feed();
  let unpacked = 0;
  try {
    for await (const chunk of child.stdout) {
      unpacked += chunk.length;
      yield chunk;
    }
    const status = failure === undefined ? await closed : "";
    feeder.stop();
    await fed;
    if (feeder.failure !== undefined) throw feeder.failure;
    if (failure !== undefined) throw notRun(name, packing, program, failure);
    const lines = complaint.split("\n").filter((line) => line.trim() !== "");
    const [said] = lines.filter((line) => program.remark?.test(line) !== true);
    const isRemark = lines.length > 0 && said === undefined && status === "status 2";
    if (isRemark || (status === "" && said === undefined)) return;
    const reason = `the ${packing} data is damaged or ends early after ${unpacked} unpacked bytes (${said ?? `${program.name} ended with ${status}`})`;
    throw unpackError(name, reason, unpacked);
  } finally {
    feeder.stop();
    child.kill();
  }
}

const environment = (): object => (globalThis as { process?: { env?: object } }).process?.env ?? {};

function notRun(
  name: string,
  packing: string,
  program: Program,
  cause: Error & { code?: string },
): IommuError {
  const why =
    cause.code === "ENOENT"
      ? `to unpack it the program ${program.name} is needed (Debian has it in the package ${program.package})`
      : `${program.name}, which unpacks it, cannot be run (${cause.message})`;
  const message = `${name}: is packed by ${packing}: ${why}`;
  return new IommuError("UNSUPPORTED", message, { path: name, packing }, { cause });
}

/** Gives packed bytes to a program, as fast as it takes them. */
class Feeder {
  /** What the source of the bytes threw. */
  failure: unknown;
  readonly #packed: AsyncIterator<Uint8Array>;
  readonly #child: Child;
  #isStopped = false;
  #wake: () => void = () => {};

  constructor(packed: ByteStream, child: Child) {
    this.#packed = packed[Symbol.asyncIterator]();
    this.#child = child;
    // A program that has enough closes its end.
    child.stdin.on("error", () => this.stop());
  }

  async feed(): Promise<void> {
    const { stdin } = this.#child;
    try {
      for (let next = await this.#packed.next(); next.done !== true; next = await this.#packed.next()) {
        if (this.#isStopped) break;
        // Chunks are lent, and taken later.
        if (!stdin.write(new Uint8Array(next.value))) await this.#drained();
        if (this.#isStopped) break;
      }
    } catch (cause) {
      this.failure = cause;
    } finally {
      stdin.end();
      await this.#packed.return?.();
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#child.stdin.destroy();
    this.#wake();
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#child.stdin.once("drain", resolve);
      if (this.#isStopped) resolve();
    });
  }
}
