import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import process from "node:process";

const PREFIX = "spapr-iommu-";
const NAME = /^spapr-iommu-(\d+)-\w{6}$/;

/**
 * Makes a folder that is our user's alone, with a name that nobody can foresee. What processes of ours left behind that
 * were killed goes away.
 *
 * @param parent such as `/tmp`
 */
export async function makePrivateFolder(parent: string): Promise<string> {
  for (const name of await readdir(parent)) {
    const pid = Number(NAME.exec(name)?.[1]);
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    const folder = path.join(parent, name);
    const owner = (await stat(folder).catch(() => undefined))?.uid;
    // One may be gone meanwhile.
    if (owner === process.getuid?.()) await rm(folder, { recursive: true, force: true });
  }
  return await mkdtemp(path.join(parent, `${PREFIX}${process.pid}-`));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It may be another user's.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
