import { readdirSync, readlinkSync } from "node:fs";
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import path from "node:path";

/**
 * The log of a QEMU, by its command line.
 *
 * @public
 */
export interface FoundLog {
  readonly path: string;
  /** Where in the file this QEMU begins. */
  readonly from: number;
  /** Patterns of the trace events that the command line switches on: what they log is there from the start. */
  readonly patterns: readonly string[];
}

/**
 * Finds the file that the QEMU behind a monitor socket writes its log to. QMP
 * does not say; on Linux `/proc` does, if we may look at QEMU's process.
 *
 * @returns undefined if QEMU was started without `-D`, and its standard error is no file either
 */
export async function findLog(socket: string): Promise<FoundLog | undefined> {
  const pid = await ownerOf(socket);
  return pid === undefined ? undefined : await logOf(pid);
}

/** What libvirt writes before it starts QEMU, into the log that has earlier runs of the domain, too. */
const STARTING = "starting up libvirt version: ";

/** The log of a QEMU by the UUID that it was started with; `otherwise` is where libvirt writes its standard error to. */
export async function findLogByUuid(uuid: string, otherwise: string): Promise<FoundLog | undefined> {
  for (const pid of await processes()) {
    const args = await argumentsOf(pid);
    if (args[args.indexOf("-uuid") + 1] !== uuid) continue;
    const found = await logOf(pid);
    if (found !== undefined) return found;
    const from = (await readFile(otherwise).catch(() => Buffer.of())).lastIndexOf(STARTING);
    // One that was rotated does not have the beginning any more.
    return from < 0
      ? { path: otherwise, from: 0, patterns: [] }
      : { path: otherwise, from, patterns: patternsOf(args) };
  }
  return undefined;
}

async function logOf(pid: string): Promise<FoundLog | undefined> {
  const args = await argumentsOf(pid);
  const patterns = patternsOf(args);
  const at = args.findLastIndex((argument) => /^--?D$/.test(argument));
  const given = args[at + 1];
  if (at >= 0 && given !== undefined) {
    const folder = await readlink(`/proc/${pid}/cwd`).catch(() => ".");
    return { path: path.resolve(folder, given.replace("%d", pid)), from: 0, patterns };
  }
  const errors = await readlink(`/proc/${pid}/fd/2`).catch(() => undefined);
  const isFile =
    errors !== undefined &&
    (await stat(errors).then(
      (found) => found.isFile(),
      () => false,
    ));
  return isFile ? { path: errors, from: 0, patterns } : undefined;
}

const argumentsOf = async (pid: string): Promise<string[]> =>
  (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");

/** Numbers of all processes, the oldest first. */
const processes = async (): Promise<string[]> =>
  (await readdir("/proc"))
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
    .map(String);

/** `-d trace:PATTERN,...`, `-trace PATTERN`, `-trace enable=PATTERN,...`. */
function patternsOf(args: readonly string[]): string[] {
  const patterns: string[] = [];
  args.forEach((argument, i) => {
    const values = (args[i + 1] ?? "").split(",");
    if (/^--?d$/.test(argument)) {
      for (const value of values) if (value.startsWith("trace:")) patterns.push(value.slice("trace:".length));
    } else if (/^--?trace$/.test(argument)) {
      for (const value of values)
        if (!/^(?:events|file)=/.test(value)) patterns.push(value.replace(/^enable=/, ""));
    }
  });
  return patterns;
}

/** Does one of the patterns, in which `*` is anything, stand for the event? */
export function isAskedFor(event: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const parts = pattern.split("*");
    const [first = ""] = parts;
    const last = parts.at(-1)!;
    if (parts.length === 1) return event === pattern;
    if (!event.startsWith(first) || event.length < first.length + last.length || !event.endsWith(last))
      return false;
    let at = first.length;
    for (const part of parts.slice(1, -1)) {
      at = event.indexOf(part, at);
      if (at < 0) return false;
      at += part.length;
    }
    return at <= event.length - last.length;
  });
}

/** The process that listens on a socket; the first one, since others may have inherited the descriptor. */
async function ownerOf(socket: string): Promise<string | undefined> {
  const wanted = path.resolve(socket);
  const named = await socketsNamed(path.basename(wanted));
  if (named.size === 0) return undefined;
  for (const pid of await processes()) {
    for (const name of socketsOf(pid, named)) {
      // The name is the one that its owner gave, which may be relative.
      const folder = await readlink(`/proc/${pid}/cwd`).catch(() => "/");
      if (path.resolve(folder, name) === wanted) return pid;
    }
  }
  return undefined;
}

/** Which of some sockets a process has open. Synchronous: a busy host has tens of thousands of descriptors, each of microseconds. */
function* socketsOf(pid: string, named: ReadonlyMap<string, string>): Generator<string> {
  const folder = `/proc/${pid}/fd`;
  for (const fd of tried(() => readdirSync(folder)) ?? []) {
    const name = named.get(tried(() => readlinkSync(`${folder}/${fd}`)) ?? "");
    if (name !== undefined) yield name;
  }
}

/** What is in `/proc` may be gone at any moment, or not for us. */
function tried<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Paths of the local sockets with a file name, by what `/proc/PID/fd` shows for them. */
async function socketsNamed(fileName: string): Promise<Map<string, string>> {
  const named = new Map<string, string>();
  const table = await readFile("/proc/net/unix", "utf8").catch(() => "");
  for (const line of table.split("\n")) {
    // Num RefCount Protocol Flags Type St Inode Path
    const match = /^(?:\S+\s+){6}(\d+)\s(.+)$/.exec(line);
    if (match !== null && path.basename(match[2]!) === fileName) named.set(`socket:[${match[1]}]`, match[2]!);
  }
  return named;
}
