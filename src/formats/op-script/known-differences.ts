import { IommuError } from "../../base/errors.ts";
import type { JsonLine } from "../json-lines.ts";
import type { OpResult } from "./run.ts";

/** One line of a recording in which we differ from the real system on purpose. */
export interface KnownDifference {
  /** Name of the recording, without folders and without `.gz`. */
  readonly recording: string;
  readonly line: number;
  /** The operation as it stands there, without its result. */
  readonly operation: Readonly<Record<string, unknown>>;
  /** What we answer. */
  readonly ours: OpResult;
  /** Why, and what says so. */
  readonly reason: string;
}

/** The reviewed differences, looked up by the line they belong to. */
export class KnownDifferences {
  readonly #byPlace = new Map<string, KnownDifference>();

  constructor(differences: readonly KnownDifference[]) {
    for (const difference of differences)
      this.#byPlace.set(`${difference.recording}:${difference.line}`, difference);
  }

  /**
   * Reads the checked-in list.
   *
   * @throws IommuError BAD_FILE if it is not a list of differences
   */
  static parse(text: string, file: string): KnownDifferences {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw new IommuError("BAD_FILE", `${file}: ${(cause as Error).message}`, { file }, { cause });
    }
    if (!Array.isArray(value))
      throw new IommuError("BAD_FILE", `${file}: expected a list of differences`, { file });
    value.forEach((item: Partial<KnownDifference> | null, i) => {
      if (
        typeof item?.recording !== "string" ||
        typeof item.line !== "number" ||
        typeof item.reason !== "string" ||
        !isObject(item.operation) ||
        !isObject(item.ours)
      ) {
        const needs = '"recording", "line", "operation", "ours" and "reason"';
        throw new IommuError("BAD_FILE", `${file}: entry ${i + 1} needs ${needs}`, { file });
      }
    });
    return new KnownDifferences(value as KnownDifference[]);
  }

  /** The difference listed for a line, if the line is still the one that was reviewed. */
  find(line: JsonLine): KnownDifference | undefined {
    const recording = (line.file.split("/").at(-1) ?? "").replace(/\.gz$/, "");
    const known = this.#byPlace.get(`${recording}:${line.number}`);
    return known !== undefined && sameJson(known.operation, operationOf(line)) ? known : undefined;
  }
}

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;

/** The members of a line that are the operation: all but what came out of it. */
export function operationOf(line: JsonLine): Record<string, unknown> {
  const { result, crash, ...operation } = line.value;
  return operation;
}

/** Are two JSON values the same, whatever the order of their members? */
export function sameJson(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const keys = Object.keys(a);
  return (
    Array.isArray(a) === Array.isArray(b) &&
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameJson((a as never)[key], (b as never)[key]))
  );
}
