import { readdirSync } from "node:fs";
import path from "node:path";
import { IommuError } from "../base/errors.ts";
import { textOf } from "../formats/input/text.ts";
import type { Story } from "../lab/story/story.ts";
import { isStoryDocument, storyOfDocument } from "../lab/story/story-shape.ts";
import { displayName } from "./display-name.ts";
import { openInput } from "./input.ts";
import { packageFile } from "./package-files.ts";

const ENDING = ".yaml";

/** Names of the stories that ship with the package. */
export const storyNames = (): readonly string[] =>
  readdirSync(packageFile("stories"))
    .filter((file) => file.endsWith(ENDING))
    .map((file) => file.slice(0, -ENDING.length))
    .sort();

/** A name that is a file's, not one of a story: it has a folder or an ending. */
export const isStoryFile = (name: string): boolean => /[/\\]|\.(?:ya?ml|json)$/.test(name) || name === "-";

/**
 * Reads a story of the package by its name, or of a file.
 *
 * @throws IommuError BAD_FILE with file, line and column; UNSUPPORTED for a file that is no story
 */
export async function readStory(name: string): Promise<Story> {
  const file = isStoryFile(name) ? name : packageFile(`stories/${name}${ENDING}`);
  const shown = isStoryFile(name) ? displayName(name) : `${name}${ENDING}`;
  const { parseYaml } = await import("./yaml.ts");
  const document = parseYaml(await textOf(openInput(file), shown), shown);
  if (!isStoryDocument(document))
    throw new IommuError(
      "UNSUPPORTED",
      `${shown}: no story: it should have a title and steps (schema/story.schema.json)`,
    );
  return storyOfDocument(document, path.basename(shown).replace(/\.[a-z]+$/, ""));
}
