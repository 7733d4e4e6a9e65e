import { IommuError } from "../base/errors.ts";

/**
 * A value of a document, YAML or JSON, with its place.
 *
 * @public
 */
export interface Located {
  /** Whole numbers are bigint; lists and objects hold values with places of their own. */
  readonly value: string | bigint | number | boolean | null | readonly Located[] | LocatedMembers;
  /** Where it begins: `machine.yaml:3:6`. */
  readonly place: string;
}

/**
 * The members of an object by name; the place of a member's name is {@link LocatedMember.namePlace}.
 *
 * @public
 */
export type LocatedMembers = ReadonlyMap<string, LocatedMember>;

/**
 * A member of an object, with the place of its name.
 *
 * @public
 */
export interface LocatedMember extends Located {
  readonly namePlace: string;
}

/** An error about a value of a document, with its place before the message. */
export const errorAt = (place: string, message: string): IommuError =>
  new IommuError("BAD_FILE", `${place}: ${message}`, { place });

/** Characters of a value that a message shows. */
const MAX_SHOWN = 60;

/** A value as a message shows it: not all of a long one. */
export function showLocated({ value }: Located): string {
  if (value instanceof Map) return "an object";
  if (Array.isArray(value)) return "a list";
  const text = String(value);
  const shown = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  return typeof value === "string" ? JSON.stringify(shown) : shown;
}
