import { readdirSync } from "node:fs";
import { KnownDifferences } from "../formats/known-differences.ts";
import { readTextFile } from "./input.ts";
import { packageFile } from "./package-files.ts";

/** The list that the user named, or those that ship with the package. */
export async function readKnownDifferences(path: string | undefined): Promise<KnownDifferences> {
  const folder = packageFile("known-differences");
  const files = path === undefined ? readdirSync(folder).map((name) => `${folder}/${name}`) : [path];
  const lists = await Promise.all(files.map(async (file) => ({ file, text: await readTextFile(file) })));
  return KnownDifferences.parse(lists);
}
