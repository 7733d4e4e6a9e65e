import { type ExecFileException, execFile } from "node:child_process";
import { homedir } from "node:os";
import path from "node:path";
import process from "node:process";
import { IommuError } from "../base/errors.ts";
import { type FoundLog, findLogByUuid } from "./find-log.ts";
import type { Monitor, QmpArguments, QmpEvent } from "./monitor.ts";
import { COMMAND_SECONDS, NoQemuError, type QmpOptions } from "./qmp.ts";
import { QmpAnswer } from "./qmp-answer.ts";

const PING_MS = 1000;
/** A list of all trace events takes half a megabyte. */
const MAX_ANSWER = 16 * 2 ** 20;

/** What virsh says of a domain that does not run, or is not there any more. */
const NOT_RUNNING = /domain is not running|failed to get domain|Domain not found|no domain with matching/;

/**
 * The monitor of a libvirt domain, by `virsh qemu-monitor-command`: libvirt owns
 * the socket and carries out commands one by one. It does not pass on QEMU's
 * events. libvirt marks such a domain as tainted (custom-monitor) in its log.
 *
 * @public
 */
export class VirshMonitor implements Monitor {
  onEvent: (event: QmpEvent) => void = () => {};
  readonly closed: Promise<IommuError>;
  version = "";
  readonly taint = "custom-monitor";
  readonly #domain: string;
  readonly #uri: readonly string[];
  readonly #timeoutSeconds: number;
  #resolveClosed!: (reason: IommuError) => void;
  #end: IommuError | undefined;
  #ping: NodeJS.Timeout | undefined;

  private constructor(domain: string, uri: string | undefined, timeoutSeconds: number) {
    this.#domain = domain;
    this.#uri = uri === undefined ? [] : ["--connect", uri];
    this.#timeoutSeconds = timeoutSeconds;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  /**
   * @throws IommuError UNSUPPORTED without virsh; PEER if libvirt refuses, or does not answer in time; the signal's reason
   */
  static async open(
    domain: string,
    uri: string | undefined,
    options: QmpOptions = {},
  ): Promise<VirshMonitor> {
    const { timeoutSeconds = COMMAND_SECONDS, signal } = options;
    signal?.throwIfAborted();
    const monitor = new VirshMonitor(domain, uri, timeoutSeconds);
    const version = (await monitor.execute("query-version")).get("qemu");
    signal?.throwIfAborted();
    monitor.version = ["major", "minor", "micro"].map((name) => version.get(name).whole).join(".");
    monitor.#watch();
    return monitor;
  }

  get isClosed(): boolean {
    return this.#end !== undefined;
  }

  /** What QEMU prints is written by libvirt, into the domain's log; a `-D` of the domain's own command line is before it. */
  async findLog(): Promise<FoundLog | undefined> {
    const uri = (await this.#virsh("uri")).trim();
    const uuid = (await this.#virsh("domuuid", "--domain", this.#domain)).trim();
    // It takes a number or a UUID, but no name.
    const name = (await this.#virsh("domname", "--domain", uuid)).trim();
    const cache = process.env.XDG_CACHE_HOME || path.join(homedir(), ".cache");
    const folder = /\/session(?:\?|$)/.test(uri)
      ? path.join(cache, "libvirt/qemu/log")
      : "/var/log/libvirt/qemu";
    return await findLogByUuid(uuid, path.join(folder, `${name}.log`));
  }

  /** What virsh prints for a command. */
  async #virsh(command: string, ...args: string[]): Promise<string> {
    if (this.#end !== undefined) throw this.#end;
    return await new Promise((resolve, reject) => {
      const all = [...this.#uri, command, ...args];
      const limits = { timeout: this.#timeoutSeconds * 1000, maxBuffer: MAX_ANSWER };
      execFile("virsh", all, limits, (cause, stdout, stderr) => {
        if (cause === null) resolve(stdout);
        else reject(this.#failed(command, cause, stderr));
      });
    });
  }

  async execute(command: string, args: QmpArguments = {}): Promise<QmpAnswer> {
    const request = JSON.stringify({ execute: command, arguments: args });
    const text = await this.#virsh("qemu-monitor-command", "--domain", this.#domain, "--cmd", request);
    let answer: QmpAnswer;
    try {
      answer = new QmpAnswer(JSON.parse(text), command);
    } catch {
      throw this.#error(`virsh's answer to ${command} is no JSON: ${JSON.stringify(text.slice(0, 60))}`);
    }
    const refused = answer.optional("error");
    if (refused !== undefined) {
      throw new IommuError("PEER", `QEMU refused ${command}: ${refused.get("desc").text}`, { command });
    }
    return answer.get("return");
  }

  close(): void {
    this.#finish(this.#error("the session was closed"));
  }

  /** libvirt says that a domain has ended only when it is asked. */
  #watch(): void {
    const ask = (): void => {
      this.execute("query-status").then(
        () => this.#later(ask),
        // One that is only slow has not ended.
        () => this.#later(ask),
      );
    };
    this.#later(ask);
  }

  #later(ask: () => void): void {
    if (this.#end === undefined) this.#ping = setTimeout(ask, PING_MS).unref();
  }

  #failed(command: string, cause: ExecFileException, stderr: string): IommuError {
    if (cause.code === "ENOENT") {
      return new IommuError(
        "UNSUPPORTED",
        "there is no virsh: attach --domain needs it (Debian's package is libvirt-clients)",
      );
    }
    if (cause.killed === true) {
      return this.#error(`virsh ${command} did not end within ${this.#timeoutSeconds} s`);
    }
    const said =
      stderr
        .trim()
        .split("\n")
        .at(-1)
        ?.replace(/^error: /, "") || cause.message;
    if (!NOT_RUNNING.test(stderr)) return this.#error(said);
    // libvirt knows, and does not pass on how.
    this.onEvent({ event: "SHUTDOWN", data: undefined, seconds: Number.NaN });
    const reason = new NoQemuError(`domain ${this.#domain}: ${said}`, { domain: this.#domain }, cause);
    this.#finish(reason);
    return reason;
  }

  #finish(reason: IommuError): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    clearTimeout(this.#ping);
    this.#resolveClosed(reason);
  }

  #error(reason: string): IommuError {
    return new IommuError("PEER", `domain ${this.#domain}: ${reason}`, { domain: this.#domain });
  }
}
