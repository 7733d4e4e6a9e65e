import { LineCopy } from "./line-copy.ts";
import { encode, startsWith } from "./words.ts";

/**
 * Lines that JSON carries, one object a line or a member a line:
 *
 *     {"__REALTIME_TIMESTAMP":"1764281604627005","MESSAGE":"…"}          journalctl -o json, json-seq, json-sse
 *             "MESSAGE" : "…",                                           journalctl -o json-pretty
 *     {"log":"…\n","stream":"stdout","time":"2026-11-27T22:13:24.6Z"}    Docker's files
 *     {"_index":"logs","_source":{"message":"…"}}                        what Elasticsearch found
 *     {"dmesg":[{"pri":6,"time":1.234567,"msg":"…"}]}                    dmesg --json, put into one line
 *
 * @module
 */

const SPACE = 0x20;

/** How such a line begins. */
const STARTS = ['{"', '"', '\x1e{"', 'data: {"'].map(encode);
/** A line of JSON: an object, or a member that carries a text. */
const OBJECT_OR_MEMBER = /(\{".*\}|^"(?:MESSAGE|log|message|msg|line)" ?: ?".*[^,]|^"MESSAGE" : .*[^,]),?$/s;

const TEXTS = ["MESSAGE", "log", "message", "msg", "line"];
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
  const json = OBJECT_OR_MEMBER.exec(TEXT.decode(bytes.subarray(first, end)));
  const all = json === null ? undefined : membersOf(json[1]!);
  const carriers = all === undefined ? [] : carriersIn(all);
  if (carriers.length === 0) return undefined;
  return carriers.flatMap((members) =>
    textOf(members)!
      .split("\n")
      .map((line) => {
        const copy = new LineCopy();
        const carried = BYTES.encode(timeOf(members) + line.trimEnd());
        copy.add(carried, 0, carried.length);
        return copy;
      }),
  );
}

type Members = Readonly<Record<string, unknown>>;

/** The object, or those in it, that carry a text: what a search found, or all of a log in one line. */
function carriersIn(members: Members): Members[] {
  if (textOf(members) !== undefined) return [members];
  return Object.values(members)
    .flat()
    .filter((one): one is Members => typeof one === "object" && one !== null && !Array.isArray(one))
    .filter((one) => textOf(one) !== undefined);
}

function membersOf(text: string): Members | undefined {
  try {
    return JSON.parse(text.startsWith("{") ? text : `{${text}}`);
  } catch {
    return undefined;
  }
}

function textOf(members: Members): string | undefined {
  const value = TEXTS.map((name) => members[name]).find(
    (one) => typeof one === "string" || Array.isArray(one),
  );
  if (typeof value === "string") return value.trimEnd();
  // The journal writes what is not all printable as bytes.
  return value === undefined ? undefined : TEXT.decode(Uint8Array.from(value as number[]));
}

/** When the line was written, as one of the forms that {@link LinePrefix} knows; empty if nothing says. */
function timeOf(members: Members): string {
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
