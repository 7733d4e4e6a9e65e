/**
 * The description at the end of a stream: JSON that lists, for each FULL
 * section in order, its fields and their sizes. It is the only place that
 * says how long most sections are.
 *
 * @module
 */

import { IommuError } from "../../base/errors.ts";
import { type ByteCursor, badStream, bytesText, u32At } from "./byte-cursor.ts";
import type { Tail } from "./source.ts";

/** Bytes that a message shows of what should not be there. */
export const SHOWN = 16;

/** Byte that begins the record of the description. */
export const RECORD_DESCRIPTION = 0x06;

/**
 * Longest description that is read. Some devices take 14 KB, and each CPU 2 KB:
 * the largest machine, with 2048 CPUs, stays below this.
 */
export const MAX_DESCRIPTION: number = 8 * 1024 * 1024;

/** Objects and lists in it; QEMU writes 52 for a CPU. */
const MAX_CONTAINERS = 2 ** 17;
/** Commas between their members; QEMU writes 109 for a CPU. */
const MAX_COMMAS = 2 ** 18;

/** Levels of subsections within subsections; QEMU's own go to three. */
const MAX_DEPTH = 16;

/** Levels of objects and lists in a description that is written again; each level of subsections takes three. */
const MAX_NESTING = 100;

/** Bytes of the data of one section may not exceed this; 2^40 is far above any device. */
const MAX_SECTION_BYTES = 2 ** 40;

/**
 * A JSON object as it was parsed.
 *
 * @public
 */
export type JsonObject = { [key: string]: unknown };

/**
 * The part of the description that belongs to one FULL section.
 *
 * @public
 */
export interface DescribedSection {
  readonly name: string;
  readonly instanceId: number;
  /** Bytes of data: what lies between the section's head and its footer. */
  readonly length: number;
  /** The element as it was parsed. */
  readonly json: JsonObject;
}

/**
 * The description of a stream.
 *
 * @public
 */
export interface StreamDescription {
  /** Offset in the stream of the record (its byte 06). */
  readonly offset: number;
  /** The text, as in the stream. */
  readonly text: string;
  readonly json: JsonObject;
  /** One element for each FULL section, in the order of the stream. */
  readonly sections: readonly DescribedSection[];
}

/** Places in the end of a stream that are looked at whether the description is there. */
const MAX_TRIES = 16;

/**
 * Finds the description in the end of a stream: the record after the byte 00
 * that ends the sections. Other bytes may follow it. The text itself never
 * contains a byte 06, so the first match from the end is it.
 *
 * @returns undefined if there is none: the stream is cut, or was sent without
 */
export function findDescription(tail: Tail): StreamDescription | undefined {
  const { bytes, offset } = tail;
  let tries = 0;
  for (
    let at = bytes.lastIndexOf(RECORD_DESCRIPTION);
    at > 0 && tries < MAX_TRIES;
    at = bytes.lastIndexOf(RECORD_DESCRIPTION, at - 1)
  ) {
    const textAt = at + 5;
    if (textAt >= bytes.length || bytes[at - 1] !== 0 || bytes[textAt] !== 0x7b) continue;
    const end = textAt + u32At(bytes, at + 1);
    if (end > bytes.length || bytes[end - 1] !== 0x7d) continue;
    tries++;
    try {
      return parseDescription(offset + at, bytes.subarray(textAt, end));
    } catch (error) {
      if (!(error instanceof IommuError) || error.code !== "BAD_FILE") throw error;
    }
  }
  return undefined;
}

/**
 * Reads the record of the description at the position of a cursor.
 *
 * @param known the description, if it was found before; its text is not parsed twice
 * @throws IommuError BAD_FILE if something else is there
 */
export async function readDescription(
  cursor: ByteCursor,
  known?: StreamDescription,
): Promise<StreamDescription> {
  const offset = cursor.offset;
  await cursor.need(1, "the description of the sections");
  if (cursor.bytes[cursor.at] !== RECORD_DESCRIPTION) throw noDescription(offset, await cursor.peek(SHOWN));
  cursor.at++;
  const length = await cursor.u32("the length of the description");
  if (length > MAX_DESCRIPTION) {
    throw badStream(offset, `a description of ${length} bytes; at most ${MAX_DESCRIPTION} are read`);
  }
  await cursor.need(length, "the description of the sections");
  const bytes = cursor.bytes.subarray(cursor.at, cursor.at + length);
  cursor.at += length;
  return known?.offset === offset && known.text === decode(offset, bytes)
    ? known
    : parseDescription(offset, bytes);
}

/** What follows the end of the sections is something else. */
export const noDescription = (offset: number, bytes: Uint8Array): IommuError =>
  badStream(
    offset,
    `bytes after the end of the sections that are not their description: ${bytesText(bytes)}`,
  );

/**
 * Reads the text of a description.
 *
 * @param offset where the record begins in the stream
 * @throws IommuError BAD_FILE if it is not what QEMU writes
 */
function parseDescription(offset: number, bytes: Uint8Array): StreamDescription {
  checkSize(offset, bytes);
  const text = decode(offset, bytes);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw notJson(offset, cause as Error);
  }
  const reader = new DescriptionReader(offset);
  return { offset, text, json: reader.object(json, "the description"), sections: reader.sections(json) };
}

/** Refuses a description that would take much more memory than its text. Marks within strings count, too: names have none. */
function checkSize(offset: number, bytes: Uint8Array): void {
  let containers = 0;
  let commas = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === 0x7b || byte === 0x5b) containers++;
    else if (byte === 0x2c) commas++;
  }
  if (containers <= MAX_CONTAINERS && commas <= MAX_COMMAS) return;
  throw badStream(
    offset,
    `a description of sections with ${containers} objects and lists and ${commas} commas; at most ${MAX_CONTAINERS} and ${MAX_COMMAS} are read`,
  );
}

function decode(offset: number, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw notJson(offset, cause as Error);
  }
}

const notJson = (offset: number, cause: Error): IommuError =>
  new IommuError(
    "BAD_FILE",
    `migration stream, byte ${offset + 5}: the description of the sections is not JSON (${cause.message})`,
    { offset: offset + 5 },
    { cause },
  );

/**
 * Text of a description in QEMU's spelling: `, ` and `: ` between the tokens, on one line.
 *
 * @throws IommuError UNSUPPORTED if it is nested deeper than any that QEMU writes
 */
export function descriptionText(value: unknown, depth = 0): string {
  if (depth > MAX_NESTING) {
    throw new IommuError("UNSUPPORTED", `a description of sections with more than ${MAX_NESTING} levels`);
  }
  if (Array.isArray(value)) return `[${value.map((item) => descriptionText(item, depth + 1)).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(
      ([key, item]) => `${JSON.stringify(key)}: ${descriptionText(item, depth + 1)}`,
    );
    return `{${members.join(", ")}}`;
  }
  return JSON.stringify(value);
}

/** Checks the shape of parsed JSON on the way to the lengths of sections. */
class DescriptionReader {
  readonly #offset: number;

  constructor(offset: number) {
    this.#offset = offset;
  }

  sections(json: unknown): DescribedSection[] {
    const root = this.object(json, "the description");
    if (root.page_size !== undefined && root.page_size !== 4096) {
      throw this.#bad(`page_size is ${String(root.page_size)}, pseries has 4096`);
    }
    return this.#list(root.devices, "devices").map((item, index) => {
      const section = this.object(item, `devices[${index}]`);
      const { name } = section;
      if (typeof name !== "string") throw this.#bad(`devices[${index}] has no name`);
      const where = `section ${JSON.stringify(name)}`;
      return {
        name,
        instanceId: this.#count(section.instance_id, `instance_id of ${where}`),
        length: this.#lengthOf(section, where, 0),
        json: section,
      };
    });
  }

  /** Bytes of the fields of a section or subsection, and of the subsections in it. */
  #lengthOf(owner: JsonObject, where: string, depth: number): number {
    if (depth > MAX_DEPTH) throw this.#bad(`${where} has more than ${MAX_DEPTH} levels of subsections`);
    let length = 0;
    for (const item of this.#list(owner.fields ?? [], `fields of ${where}`)) {
      const field = this.object(item, `a field of ${where}`);
      const size = this.#count(field.size, `the size of a field of ${where}`);
      const times = field.array_len === undefined ? 1 : this.#count(field.array_len, `array_len of ${where}`);
      length += size * times;
    }
    for (const item of this.#list(owner.subsections ?? [], `subsections of ${where}`)) {
      const subsection = this.object(item, `a subsection of ${where}`);
      const name = subsection.vmsd_name;
      if (typeof name !== "string") throw this.#bad(`a subsection of ${where} has no vmsd_name`);
      // 05, length of the name, the name, version.
      length +=
        1 + 1 + name.length + 4 + this.#lengthOf(subsection, `${where}, ${JSON.stringify(name)}`, depth + 1);
    }
    if (length > MAX_SECTION_BYTES) throw this.#bad(`${where} is said to have ${length} bytes`);
    return length;
  }

  object(value: unknown, what: string): JsonObject {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw this.#bad(`${what} is not an object`);
    return value as JsonObject;
  }

  #list(value: unknown, what: string): readonly unknown[] {
    if (!Array.isArray(value)) throw this.#bad(`${what} is not a list`);
    return value;
  }

  #count(value: unknown, what: string): number {
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
      throw this.#bad(`${what} is ${JSON.stringify(value)}, not a count`);
    }
    return value;
  }

  #bad(message: string): IommuError {
    return badStream(this.#offset, `in the description of the sections, ${message}`);
  }
}
