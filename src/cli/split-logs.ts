import { existsSync, readdirSync } from "node:fs";
import path from "node:path";

/**
 * The files of a name in which `%d` stands for a number, as QEMU's `-D qemu-%d.log` makes them, one for each process; in the
 * order of their numbers. A name without it, or of a file, is that file.
 */
export function splitLogs(name: string): string[] {
  const base = path.basename(name);
  if (!base.includes("%d") || existsSync(name)) return [name];
  const [before = "", after = ""] = base.split("%d");
  const folder = path.dirname(name);
  const numbers = (existsSync(folder) ? readdirSync(folder) : []).flatMap((file) => {
    const number = file.slice(before.length, file.length - after.length);
    return file.startsWith(before) && file.endsWith(after) && /^\d+$/.test(number) ? [Number(number)] : [];
  });
  const found = numbers
    .sort((a, b) => a - b)
    .map((number) => path.join(path.dirname(name), `${before}${number}${after}`));
  return found.length === 0 ? [name] : found;
}
