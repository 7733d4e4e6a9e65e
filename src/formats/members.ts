import type { JsonLine } from "./json-lines.ts";
import { suggestion } from "./suggestion.ts";

/** The members that an object of a script may have. */
export interface Members {
  /** What they are called in messages: `header`, `a host bridge`. */
  readonly of: string;
  /** Those that something depends on. */
  readonly read: readonly string[];
  /** Those that only say where a script comes from, which nothing depends on. */
  readonly informative?: readonly string[];
}

/**
 * Refuses what nobody would read: it is misspelt, or asks for what does not exist.
 *
 * @param at member of the line that an error points at; by default the unknown one
 * @throws IommuError BAD_FILE that names the member and those that there are
 */
export function refuseUnknown(line: JsonLine, object: object, members: Members, at?: string): void {
  const { read, informative = [] } = members;
  const unknown = Object.keys(object).find((name) => !read.includes(name) && !informative.includes(name));
  if (unknown === undefined) return;
  const known = [...read, ...informative];
  const name = JSON.stringify(unknown).slice(0, 60);
  const near = suggestion(unknown, known);
  throw line.error(
    at ?? unknown,
    `unknown member ${name} of ${members.of}${near === "" ? ": there" : `${near} There`} are ${known.join(", ")}`,
  );
}
