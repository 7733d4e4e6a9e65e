import { IommuError } from "../base/errors.ts";

/**
 * One line of a recording in which we differ from the real system on purpose.
 *
 * @public
 */
export interface KnownDifference {
  /** Name of the recording, without folders and without `.gz`. */
  readonly recording: string;
  readonly line: number;
  /** Digest of the operation that was reviewed: another recording may have the same name. */
  readonly operation: string;
  /** What we answer; or, where it is long, its digest. */
  readonly ours: unknown;
  /** Why, and what says so. */
  readonly reason: string;
  /** The profile that does imitate the real system here. */
  readonly unless?: string;
}

/**
 * The reviewed differences, looked up by the line they belong to.
 *
 * @public
 */
export class KnownDifferences {
  readonly #byPlace = new Map<string, KnownDifference[]>();

  constructor(differences: readonly KnownDifference[]) {
    for (const difference of differences) {
      const place = `${difference.recording}:${difference.line}`;
      this.#byPlace.set(place, [...(this.#byPlace.get(place) ?? []), difference]);
    }
  }

  /**
   * Reads the checked-in lists.
   *
   * @throws IommuError BAD_FILE if one is not a list of differences
   */
  static parse(lists: readonly { readonly text: string; readonly file: string }[]): KnownDifferences {
    return new KnownDifferences(lists.flatMap(({ text, file }) => parseList(text, file)));
  }

  /** The difference listed for an operation under a profile, if the operation is still the one that was reviewed. */
  find(file: string, line: number, operation: unknown, profile: string): KnownDifference | undefined {
    const recording = (file.split("/").at(-1) ?? "").replace(/\.gz$/, "");
    return this.#byPlace
      .get(`${recording}:${line}`)
      ?.find((known) => known.unless !== profile && known.operation === digest(operation));
  }
}

function parseList(text: string, file: string): KnownDifference[] {
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
      typeof item.operation !== "string" ||
      item.ours === undefined ||
      typeof item.reason !== "string"
    ) {
      throw new IommuError(
        "BAD_FILE",
        `${file}: entry ${i + 1} needs "recording", "line", "operation", "ours" and "reason"`,
        {
          file,
        },
      );
    }
  });
  return value as KnownDifference[];
}

/** Is this the answer that a reviewed difference lists? */
export const isListed = (known: KnownDifference, result: unknown): boolean =>
  typeof known.ours === "string" ? known.ours === digest(result) : sameJson(known.ours, result);

/** A short name of a result: FNV-1a of its JSON, 64 bits. */
export function digest(result: unknown): string {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of new TextEncoder().encode(JSON.stringify(result))) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100_0000_01b3n);
  }
  return hash.toString(16).padStart(16, "0");
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
