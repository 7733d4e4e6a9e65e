import { fstatSync, type Stats, statSync } from "node:fs";
import { IommuError } from "../base/errors.ts";
import { displayName } from "./display-name.ts";

/** Files that this call reads and writes, by device and inode, with their names: links lead to the same. */
const inputs = new Map<string, string>();
const outputs = new Map<string, string>();

/** To be called after a verb. */
export function forgetUsedFiles(): void {
  inputs.clear();
  outputs.clear();
}

/** @throws IommuError BAD_ARGUMENT if this call writes the file */
export function noteInput(input: string): void {
  const key = keyOf(input);
  if (key === undefined) return;
  const output = stillThere(outputs, key);
  if (output !== undefined) throw bothError(input, output);
  inputs.set(key, input);
}

/** @throws IommuError BAD_ARGUMENT if this call reads the file */
export function noteOutput(output: string): void {
  const key = keyOf(output);
  if (key === undefined) return;
  const input = stillThere(inputs, key);
  if (input !== undefined) throw bothError(input, output);
  outputs.set(key, output);
}

/** The name of a file in a list; undefined if that is gone: its number is given to another file then. */
function stillThere(list: Map<string, string>, key: string): string | undefined {
  const name = list.get(key);
  if (name === undefined || keyOf(name) === key) return name;
  list.delete(key);
  return undefined;
}

function bothError(input: string, output: string): IommuError {
  const named = input === output ? "" : `, as ${displayName(input)}`;
  const message = `${output}: an input of this call${named}: name another file for the output`;
  return new IommuError("BAD_ARGUMENT", message, { input, output });
}

/** Undefined for what is not there, and for pipes and devices, which are read and written at will. */
function keyOf(path: string): string | undefined {
  const found = statsOf(path);
  return found?.isFile() === true ? `${found.dev}:${found.ino}` : undefined;
}

function statsOf(path: string): Stats | undefined {
  try {
    return path === "-" ? fstatSync(0) : statSync(path, { throwIfNoEntry: false });
  } catch {
    // Who reads or writes it says what is wrong with it.
    return undefined;
  }
}
