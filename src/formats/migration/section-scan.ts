/**
 * Where a section of unknown length ends, told by what follows it.
 *
 * Data can contain what looks like an end: the clock's offset ends in 7e once
 * in 256 saves, and zeros follow it, as if section 0 and then all sections
 * ended there. So the record behind must be a whole one. What looks like an
 * end in every other way, and has anything else behind it, counts only if no
 * better place comes up to the end of the stream.
 *
 * @module
 */

import { type ByteCursor, badStream, u32At } from "./byte-cursor.ts";
import { MAX_DESCRIPTION, RECORD_DESCRIPTION, SHOWN } from "./description.ts";

/** Byte that begins the footer of a section. */
export const RECORD_FOOTER = 0x7e;
/** The footer: its byte and the section's id. */
export const FOOTER_BYTES = 5;

/** Bytes that begin a record. */
export const RECORD_END = 0x00;
export const RECORD_START = 0x01;
export const RECORD_PART = 0x02;
export const RECORD_PART_END = 0x03;
export const RECORD_FULL = 0x04;
export const RECORD_COMMAND = 0x08;

const RECORDS: readonly number[] = [
  RECORD_END,
  RECORD_START,
  RECORD_PART,
  RECORD_PART_END,
  RECORD_FULL,
  RECORD_COMMAND,
];

/** Do these bytes begin as a record does? The footer of a section does not. */
export const beginsRecord = (bytes: Uint8Array): boolean => RECORDS.includes(bytes[0] ?? -1);

/** The longest head of a section: type, id, length of the name, name, instance id, version. */
const MAX_HEAD = 1 + 4 + 1 + 255 + 4 + 4;
/** What must be at hand to judge a place, unless the stream ends before. */
const LOOK_AHEAD = FOOTER_BYTES + MAX_HEAD;

/** Numbers beyond any that QEMU gives: sections count from 0, versions from 0. */
const ID_LIMIT = 0x10_0000;
const VERSION_LIMIT = 0x1_0000;
const COMMAND_LIMIT = 0x100;
const COMMAND_DATA_LIMIT = 0x1000;

/** Where the data of a section ends. */
export interface SectionEnd {
  /** Offset in the stream. */
  readonly end: number;
  /** The first bytes after the end of all sections, if only there is an end. */
  readonly rest?: Uint8Array;
}

/** How sure it is that a section ends at a place. */
type Verdict = "no" | "perhaps" | "yes";

/**
 * Passes over the data of a section of unknown length.
 *
 * @param id of the section, whose footer ends it; null in a stream without footers
 * @returns where the data ends: the cursor is there, or at the end of the stream if this is its last section, with the
 * first bytes of what follows that
 */
export async function skipToEnd(cursor: ByteCursor, id: number | null): Promise<SectionEnd> {
  let perhaps: SectionEnd | undefined;
  for (;;) {
    const isRest = !(await cursor.fill(LOOK_AHEAD));
    const { bytes } = cursor;
    const end = isRest ? bytes.length : bytes.length - LOOK_AHEAD + 1;
    for (let at = nextMark(bytes, cursor.at, end, id); at < end; at = nextMark(bytes, at + 1, end, id)) {
      const verdict = judge(bytes, at, id, isRest);
      if (verdict === "perhaps") {
        const afterAll = at + FOOTER_BYTES + 1;
        perhaps ??= {
          end: cursor.offset + at - cursor.at,
          rest: bytes.slice(afterAll, afterAll + SHOWN),
        };
      }
      if (verdict !== "yes") continue;
      cursor.at = at;
      return { end: cursor.offset };
    }
    // What is left could be the beginning of an end.
    cursor.at = end;
    if (!isRest) continue;
    if (perhaps !== undefined) return perhaps;
    const which = id === null ? "a section" : `section ${id}`;
    throw badStream(cursor.offset, `the stream ends within ${which}, whose end was not found`);
  }
}

/**
 * Can the data of a section end here?
 *
 * @param id of the section; null in a stream without footers
 */
export async function endsHere(cursor: ByteCursor, id: number | null): Promise<boolean> {
  const isRest = !(await cursor.fill(LOOK_AHEAD));
  const { bytes, at } = cursor;
  if (id === null) return judgeRecord(bytes, at, isRest) === "yes";
  return at + FOOTER_BYTES <= bytes.length && bytes[at] === RECORD_FOOTER && u32At(bytes, at + 1) === id;
}

/** The next place that can be an end: a footer, or a record where there are none. */
function nextMark(bytes: Uint8Array, from: number, end: number, id: number | null): number {
  if (id !== null) {
    const at = bytes.indexOf(RECORD_FOOTER, from);
    return at < 0 ? end : at;
  }
  // Most data is zeros: a 00 ends the sections before a description or as the last byte of all. Machines without footers
  // are older than commands.
  for (let at = from; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === RECORD_FULL) return at;
    if (byte === RECORD_END && (bytes[at + 1] === RECORD_DESCRIPTION || at + 1 === bytes.length)) return at;
  }
  return end;
}

function judge(bytes: Uint8Array, at: number, id: number | null, isRest: boolean): Verdict {
  if (id === null) return judgeRecord(bytes, at, isRest) === "yes" ? "yes" : "no";
  if (at + FOOTER_BYTES >= bytes.length) return "no";
  return u32At(bytes, at + 1) === id ? judgeRecord(bytes, at + FOOTER_BYTES, isRest) : "no";
}

/** Does a record begin here that can follow the section of a device? */
function judgeRecord(bytes: Uint8Array, at: number, isRest: boolean): Verdict {
  switch (bytes[at]) {
    case RECORD_END:
      if (isRest && at + 1 === bytes.length) return "yes";
      return beginsDescription(bytes, at + 1) ? "yes" : "perhaps";
    case RECORD_FULL:
      return isHead(bytes, at) ? "yes" : "no";
    case RECORD_COMMAND: {
      const head = u32At(bytes, at + 1);
      const isCommand = head >>> 16 < COMMAND_LIMIT && (head & 0xffff) < COMMAND_DATA_LIMIT;
      return at + 5 <= bytes.length && isCommand ? "yes" : "no";
    }
    default:
      return "no";
  }
}

/** `{` at its beginning is enough: what follows is looked at by who reads it. */
const beginsDescription = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === RECORD_DESCRIPTION && u32At(bytes, at + 1) <= MAX_DESCRIPTION && bytes[at + 5] === 0x7b;

/** Type, id, a name that can be printed, instance id, version. */
function isHead(bytes: Uint8Array, at: number): boolean {
  const nameAt = at + 6;
  const end = nameAt + (bytes[at + 5] ?? 0);
  if (end === nameAt || end + 8 > bytes.length) return false;
  if (u32At(bytes, at + 1) >= ID_LIMIT || u32At(bytes, end + 4) >= VERSION_LIMIT) return false;
  for (let i = nameAt; i < end; i++) if (bytes[i]! < 0x20 || bytes[i]! > 0x7e) return false;
  return true;
}
