import { readdir, readFile, readlink, stat } from "node:fs/promises";
import path from "node:path";

/**
 * Finds the file that the QEMU behind a monitor socket writes its log to. QMP
 * does not say; on Linux `/proc` does, if we may look at QEMU's process.
 *
 * @returns undefined if QEMU was started without `-D`, and its standard error is no file either
 */
export async function findLog(socket: string): Promise<string | undefined> {
  const pid = await ownerOf(socket);
  if (pid === undefined) return undefined;
  const args = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
  const at = args.findLastIndex((argument) => argument === "-D" || argument === "--D");
  const given = args[at + 1];
  if (at >= 0 && given !== undefined) {
    const folder = await readlink(`/proc/${pid}/cwd`).catch(() => ".");
    return path.resolve(folder, given.replace("%d", pid));
  }
  const errors = await readlink(`/proc/${pid}/fd/2`).catch(() => undefined);
  const isFile =
    errors !== undefined &&
    (await stat(errors).then(
      (found) => found.isFile(),
      () => false,
    ));
  return isFile ? errors : undefined;
}

/** The process that listens on a socket; the first one, since others may have inherited the descriptor. */
async function ownerOf(socket: string): Promise<string | undefined> {
  const wanted = path.resolve(socket);
  const named = await socketsNamed(path.basename(wanted));
  if (named.size === 0) return undefined;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  for (const pid of pids.sort((a, b) => a - b)) {
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const name = named.get(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ""));
      if (name === undefined) continue;
      // The name is the one that its owner gave, which may be relative.
      const folder = await readlink(`/proc/${pid}/cwd`).catch(() => "/");
      if (path.resolve(folder, name) === wanted) return String(pid);
    }
  }
  return undefined;
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
