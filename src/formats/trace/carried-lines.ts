import { LineCopy } from "./broken-line.ts";
import { encode, startsWith } from "./words.ts";

/**
 * Lines that JSON carries, one object a line or a member a line:
 *
 *     {"__REALTIME_TIMESTAMP":"1764281604627005","MESSAGE":"…"}          journalctl -o json, json-seq, json-sse
 *             "MESSAGE" : "…",                                           journalctl -o json-pretty
 *     {"log":"…\n","stream":"stdout","time":"2026-11-27T22:13:24.6Z"}    Docker's files
 *
 * @module
 */

const SPACE = 0x20;

/** How such a line begins. */
const STARTS = ['{"', '"MESSAGE" : ', '\x1e{"', 'data: {"'].map(encode);

const TEXTS = ["MESSAGE", "log", "message", "msg"];
const TIMES = ["time", "timestamp", "@timestamp"];
const TEXT = new TextDecoder();
const BYTES = new TextEncoder();

/**
 * The lines in a line of JSON, each as a logger prints it with its time; undefined if it is none, or has no text.
 */
export function carriedLines(bytes: Uint8Array, start: number, end: number): LineCopy[] | undefined {
  let first = start;
  while (bytes[first]! <= SPACE && first < end) first++;
  if (!STARTS.some((text) => startsWith(bytes, first, text))) return undefined;
  const json = /(\{".*\}|"MESSAGE" : .*[^,]),?$/s.exec(TEXT.decode(bytes.subarray(first, end)));
  const members = json === null ? undefined : membersOf(json[1]!);
  const text = members === undefined ? undefined : textOf(members);
  if (members === undefined || text === undefined) return undefined;
  const time = timeOf(members);
  return text.split("\n").map((line) => {
    const copy = new LineCopy();
    const carried = BYTES.encode(time + line.trimEnd());
    copy.add(carried, 0, carried.length);
    return copy;
  });
}

function membersOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(text.startsWith("{") ? text : `{${text}}`);
  } catch {
    return undefined;
  }
}

function textOf(members: Readonly<Record<string, unknown>>): string | undefined {
  const value = TEXTS.map((name) => members[name]).find((one) => one !== undefined);
  if (typeof value === "string") return value.trimEnd();
  // The journal writes what is not all printable as bytes.
  return Array.isArray(value) ? TEXT.decode(Uint8Array.from(value as number[])) : undefined;
}

/** When the line was written, as one of the forms that {@link LinePrefix} knows; empty if nothing says. */
function timeOf(members: Readonly<Record<string, unknown>>): string {
  const sinceBoot = members._TRANSPORT === "kernel" ? members._SOURCE_MONOTONIC_TIMESTAMP : undefined;
  if (sinceBoot !== undefined) return `[${secondsOf(sinceBoot)}] `;
  const since1970 = members._SOURCE_REALTIME_TIMESTAMP ?? members.__REALTIME_TIMESTAMP;
  // The journal tells the process of all lines but the kernel's.
  const program = members._PID === undefined ? "kernel" : `program[${members._PID}]`;
  if (since1970 !== undefined) return `${secondsOf(since1970)} host ${program}: `;
  const iso = TIMES.map((name) => members[name]).find((one) => typeof one === "string");
  return iso === undefined ? "" : `${iso} `;
}

/** `1764281604627005` microseconds: `1764281604.627005`. */
const secondsOf = (microseconds: unknown): string =>
  `${microseconds}`.padStart(7, "0").replace(/(?=\d{6}$)/, ".");
