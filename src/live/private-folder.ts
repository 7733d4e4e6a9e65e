import { randomBytes } from "node:crypto";
import { lstat, mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { IommuError } from "../base/errors.ts";

const PREFIX = "spapr-iommu-";
const NAME = /^spapr-iommu-(\d+)-\w{6,}$/;
const RANDOM_BYTES = 8;

/**
 * Makes a folder that is our user's alone, with a name that nobody can foresee. What processes of ours left behind that
 * were killed goes away.
 *
 * @param parent such as `/tmp`
 * @param willMake notified of its path *before* it is there: a process that is killed in between leaves nothing unknown
 * @throws IommuError BAD_FILE if none can be made there
 */
export async function makePrivateFolder(
  parent: string,
  willMake: (folder: string) => Promise<void> = async () => {},
): Promise<string> {
  // One whose names we may not see may take ours nevertheless.
  for (const name of await readdir(parent).catch(() => [])) {
    const pid = Number(NAME.exec(name)?.[1]);
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    const folder = path.join(parent, name);
    // One may be gone meanwhile. A link is none of ours, wherever it leads.
    const found = await lstat(folder).catch(() => undefined);
    if (found?.isDirectory() !== true || found.uid !== process.getuid?.()) continue;
    // What cannot be taken away does not keep anybody from making a new one.
    await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
  const made = path.join(parent, `${PREFIX}${process.pid}-${randomBytes(RANDOM_BYTES).toString("hex")}`);
  await willMake(made);
  await mkdir(made, { mode: 0o700 }).catch((cause: Error) => {
    throw new IommuError(
      "BAD_FILE",
      `no folder of ours can be made in ${parent}: ${cause.message}`,
      { parent },
      { cause },
    );
  });
  return made;
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
