import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import { MAX_LEVELS } from "../../vfio/host/tce-geometry.ts";
import { type JsonLine, parseJsonLines } from "../json-lines.ts";
import { type Members, refuseUnknown } from "../members.ts";
import { suggestion } from "../suggestion.ts";
import { OPERATIONS } from "./operations.ts";
import {
  ARENA_NAMES,
  type Arena,
  type ArenaName,
  type KernelHeader,
  type KernelLine,
  type KernelScript,
  type Outcome,
} from "./script.ts";

/** Devices of one file: the recorder has so many slots. */
const MAX_DEVICES = 8;
/** Bytes of one arena. */
const MAX_ARENA: bigint = 1n << 40n;
/** Bytes of the default window: the kernel reports it in 32 bits. */
const MAX_WINDOW: bigint = 1n << 32n;

/** The header of a recording, and the objects in it. */
export const KERNEL_HEADER_MEMBERS: Readonly<
  Record<"line" | "header" | "arenas" | "arena" | "hole" | "get_info_v2", Members>
> = {
  line: { of: "the first line", read: ["header"] },
  header: {
    of: "the header",
    read: ["kernel", "page_size", "arenas", "hole", "devices", "get_info_v2"],
    informative: ["version", "comment", "machine", "cmdline", "get_info_v1", "emulator", "operations"],
  },
  arenas: { of: "arenas", read: ARENA_NAMES },
  arena: { of: "an arena", read: ["base", "size", "present"] },
  hole: { of: "hole", read: ["base", "size"] },
  get_info_v2: {
    of: "get_info_v2",
    read: ["dma32_window_size", "pgsizes", "levels"],
    informative: ["flags", "dma32_window_start", "max_dynamic_windows_supported"],
  },
};
/** One operation with what came out of it. */
const LINE_MEMBERS: Members = { of: "an operation", read: ["n", "op", "args", "ret", "errno", "out", "lck"] };

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads a recording: a header, then one operation a line.
 *
 * @param name the file's name, for messages
 * @throws IommuError BAD_FILE with line and column for anything that is not as it should be; LIMIT_EXCEEDED for a
 * recording that takes too much memory
 */
export const parseKernelScript = (text: string, name: string): KernelScript =>
  readKernelScript(parseJsonLines(text, name), name);

/** Reads a recording from its lines; see {@link parseKernelScript}. */
export function readKernelScript([first, ...rest]: readonly JsonLine[], name: string): KernelScript {
  if (first === undefined)
    throw new IommuError("BAD_FILE", `${name}:1:1: expected a header, found an empty file`);
  const header = readHeader(first);
  return { name, header, headerText: first.text, lines: rest.map((line, at) => readLine(line, at + 1)) };
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A line and the member of it that is being read, for messages. */
interface Place {
  readonly line: JsonLine;
  readonly member: string;
}

function fail({ line, member }: Place, message: string): never {
  throw line.error(member, message);
}

function objectAt(place: Place, parent: Json, key: string): Json {
  const value = parent[key];
  return isObject(value) ? value : fail(place, `"${key}" is not an object`);
}

/** A 64-bit value as files write it: "0x" and 1 to 16 digits. */
function hexAt(place: Place, parent: Json, key: string): bigint {
  const value = parent[key];
  if (typeof value !== "string" || !/^0x[0-9a-fA-F]{1,16}$/.test(value)) {
    fail(place, `"${key}" is ${JSON.stringify(value) ?? "missing"}, not a value like "0x1000"`);
  }
  return BigInt(value);
}

function readHeader(line: JsonLine): KernelHeader {
  const place = { line, member: "header" };
  const header = objectAt(place, line.value, "header");
  const known = KERNEL_HEADER_MEMBERS;
  refuseUnknown(line, line.value, known.line);
  refuseUnknown(line, header, known.header, "header");
  const { kernel, page_size: pageSize, devices } = header;
  if (typeof kernel !== "string") fail(place, `"kernel" is not a string`);
  if (pageSize !== 4096 && pageSize !== 65536) {
    fail(place, `"page_size" is ${JSON.stringify(pageSize)}, neither 4096 nor 65536`);
  }
  if (!Array.isArray(devices) || devices.length > MAX_DEVICES || devices.some((d) => typeof d !== "string")) {
    fail(place, `"devices" is not a list of at most ${MAX_DEVICES} names`);
  }
  const info = objectAt(place, header, "get_info_v2");
  refuseUnknown(line, info, known.get_info_v2, "header");
  const hole = objectAt(place, header, "hole");
  refuseUnknown(line, hole, known.hole, "header");
  const dma32WindowSize = hexAt(place, info, "dma32_window_size");
  if (dma32WindowSize > MAX_WINDOW) fail(place, `a default window of ${dma32WindowSize} bytes`);
  return {
    kernel,
    pageSize,
    arenas: readArenas(place, objectAt(place, header, "arenas"), BigInt(pageSize)),
    hole: readRange(place, hole, BigInt(pageSize), "hole"),
    devices: devices as string[],
    dma32WindowSize,
    pageSizes: hexAt(place, info, "pgsizes"),
    levels: readLevels(place, info),
  };
}

/** The most levels of a table; a header without them is of a host with all that there are. */
function readLevels(place: Place, info: Json): number {
  if (info.levels === undefined) return MAX_LEVELS;
  const levels = hexAt(place, info, "levels");
  if (levels < 1n || levels > BigInt(MAX_LEVELS)) {
    fail(place, `"levels" is ${levels}, not 1 to ${MAX_LEVELS}`);
  }
  return Number(levels);
}

function readArenas(place: Place, arenas: Json, pageSize: bigint): Record<ArenaName, Arena> {
  refuseUnknown(place.line, arenas, KERNEL_HEADER_MEMBERS.arenas, place.member);
  const entries = ARENA_NAMES.map((key) => {
    const arena = objectAt(place, arenas, key);
    refuseUnknown(place.line, arena, KERNEL_HEADER_MEMBERS.arena, place.member);
    if (typeof arena.present !== "boolean") fail(place, `"present" of "${key}" is not a boolean`);
    return [key, { ...readRange(place, arena, pageSize, key), present: arena.present }] as const;
  });
  return Object.fromEntries(entries) as Record<ArenaName, Arena>;
}

function readRange(place: Place, range: Json, pageSize: bigint, key: string): { base: bigint; size: bigint } {
  const base = hexAt(place, range, "base");
  const size = hexAt(place, range, "size");
  const whole = base % pageSize === 0n && size % pageSize === 0n && size > 0n;
  if (!whole || size > MAX_ARENA || base >> 52n !== 0n) {
    fail(place, `"${key}" at ${hex(base)} of ${size} bytes is not in whole pages of user memory`);
  }
  return { base, size };
}

function readLine(line: JsonLine, number: number): KernelLine {
  const at = (member: string): Place => ({ line, member });
  const { op, n = number, args = {} } = line.value;
  refuseUnknown(line, line.value, LINE_MEMBERS);
  if (typeof op !== "string") fail(at("op"), `"op" is not a string`);
  if (!Object.hasOwn(OPERATIONS, op))
    fail(
      at("op"),
      `unknown operation ${JSON.stringify(op).slice(0, 60)}${suggestion(op, Object.keys(OPERATIONS))}`,
    );
  if (n !== number) fail(at("n"), `"n" is ${JSON.stringify(n)}, but this is operation ${number}`);
  if (!isObject(args)) fail(at("args"), `"args" is not an object`);
  const expected = readOutcome(line);
  return {
    line: line.number,
    n: number,
    op,
    args: readArguments(at("args"), op, args),
    ...(expected === undefined ? {} : { expected }),
  };
}

function readArguments(place: Place, op: string, args: Json): Record<string, bigint> {
  const { required, optional = [] } = OPERATIONS[op]!;
  const of = `the arguments of ${op}`;
  refuseUnknown(place.line, args, { of, read: [...required, ...optional, "child"] }, place.member);
  for (const key of required) {
    if (!Object.hasOwn(args, key)) fail(place, `"${op}" needs an argument "${key}"`);
  }
  return Object.fromEntries(Object.keys(args).map((key) => [key, hexAt(place, args, key)]));
}

function readOutcome(line: JsonLine): Outcome | undefined {
  const at = (member: string): Place => ({ line, member });
  const { ret, errno, out, lck } = line.value;
  if (ret === undefined) {
    for (const key of ["errno", "out", "lck"]) {
      if (line.value[key] !== undefined) fail(at(key), `"${key}" without "ret"`);
    }
    return undefined;
  }
  if (!Number.isSafeInteger(ret)) fail(at("ret"), `"ret" is ${JSON.stringify(ret)}, not a whole number`);
  if (errno !== undefined && typeof errno !== "string") fail(at("errno"), `"errno" is not a name`);
  if (lck !== undefined && !Number.isSafeInteger(lck))
    fail(at("lck"), `"lck" is ${JSON.stringify(lck)}, not a whole number`);
  if (out !== undefined) {
    const values = objectAt(at("out"), line.value, "out");
    for (const key of Object.keys(values)) hexAt(at("out"), values, key);
  }
  return {
    ret: ret as number,
    ...(errno === undefined ? {} : { errno }),
    ...(out === undefined ? {} : { out: out as Record<string, string> }),
    ...(lck === undefined ? {} : { lck: lck as number }),
  };
}
