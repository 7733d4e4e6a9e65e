import { IommuError } from "../../base/errors.ts";
import { type Frame, Layout } from "./layout.ts";

const Version: Layout<{ major: "u16"; minor: "u16" }> = new Layout("VERSION", { major: "u16", minor: "u16" });

/** What both sides speak: 0.2 at most. */
export const MAJOR = 0;
export const MINOR = 2;

/** The longest JSON text that is read; real ones have some hundred bytes. */
const MAX_JSON = 16_384;
/** The most files that a message may carry, as libvfio-user limits it. */
const MAX_FDS = 1024;

/**
 * What a side can, as it says in VERSION; a default stands for what it does not say.
 *
 * @public
 */
export interface Capabilities {
  /** Files that it can receive in one message. */
  readonly maxMsgFds: number;
  /** Bytes of one read or write, both directions. */
  readonly maxDataXferSize: number;
  /** Windows valid at once. */
  readonly maxDmaMaps: number;
  /** Page sizes for DMA_MAP, or-ed. */
  readonly pgsizes: number;
  /** It takes REGION_WRITE_MULTI. */
  readonly writeMultiple: boolean;
  /** Page size of dirty bitmaps, if it migrates (an older key, still in use). */
  readonly migrationPageSize: number | undefined;
  /** A second connection for commands of the server. */
  readonly twinSocket: boolean;
  /** Which of the files of a reply that is. */
  readonly twinSocketFile: number;
}

/** What holds for who says nothing. */
export const DEFAULT_CAPABILITIES: Capabilities = {
  maxMsgFds: 1,
  maxDataXferSize: 2 ** 20,
  maxDmaMaps: 65_535,
  pgsizes: 4096,
  writeMultiple: false,
  migrationPageSize: undefined,
  twinSocket: false,
  twinSocketFile: 0,
};

/** What VERSION says. */
export interface VersionMessage {
  readonly major: number;
  readonly minor: number;
  readonly capabilities: Capabilities;
}

/** A VERSION message, of which the capabilities are said that are given. */
export function versionFrame(minor: number, said: Partial<Capabilities>): Frame {
  const { maxMsgFds, maxDataXferSize, maxDmaMaps, pgsizes, writeMultiple, migrationPageSize, twinSocket } =
    said;
  const capabilities = {
    max_msg_fds: maxMsgFds,
    max_data_xfer_size: maxDataXferSize,
    max_dma_maps: maxDmaMaps,
    pgsizes,
    write_multiple: writeMultiple,
    migration: migrationPageSize === undefined ? undefined : { pgsize: migrationPageSize },
    // A reply says which of the files it is: the only one.
    twin_socket:
      twinSocket === undefined
        ? undefined
        : { supported: twinSocket, ...(twinSocket ? { fd_index: 0 } : {}) },
  };
  const json = new TextEncoder().encode(`${JSON.stringify({ capabilities })}\0`);
  return Version.frame({ major: MAJOR, minor }, json);
}

/**
 * Reads VERSION, as strictly as libvfio-user does. Unknown keys are ignored; without JSON the defaults hold.
 *
 * @throws IommuError PEER that names what is wrong
 */
export function parseVersion(body: Uint8Array): VersionMessage {
  const { major, minor } = Version.read(body);
  if (major !== MAJOR) throw wrong(`version ${major}.${minor}: only ${MAJOR}.x is spoken here`, major);
  const json = body.subarray(Version.bytes);
  if (json.length === 0) return { major, minor, capabilities: DEFAULT_CAPABILITIES };
  if (json.length > MAX_JSON)
    throw wrong(`VERSION with JSON of ${json.length} bytes: more than ${MAX_JSON}`, json.length);
  if (json.at(-1) !== 0) throw wrong("the JSON of VERSION does not end in a zero byte", json.length);
  return { major, minor, capabilities: parseCapabilities(jsonOf(json.subarray(0, -1))) };
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new IommuError("PEER", `VERSION is no JSON: ${(cause as Error).message}`, {}, { cause });
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

function parseCapabilities(value: unknown): Capabilities {
  const all = objectOf(memberOf(objectOf(value, "VERSION"), "capabilities", {}), "capabilities");
  const whole = (
    from: JsonObject,
    key: string,
    otherwise: number,
    most = Number.MAX_SAFE_INTEGER,
  ): number => {
    const number = memberOf(from, key, otherwise);
    if (typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= most)
      return number;
    throw wrong(
      `"${key}" of VERSION is ${shown(number)}: expected a whole number up to ${most}`,
      shown(number),
    );
  };
  const bool = (from: JsonObject, key: string): boolean => {
    const flag = memberOf(from, key, false);
    if (typeof flag === "boolean") return flag;
    throw wrong(`"${key}" of VERSION is ${shown(flag)}: expected true or false`, shown(flag));
  };
  const otherwise = DEFAULT_CAPABILITIES;
  const maxDataXferSize = whole(all, "max_data_xfer_size", otherwise.maxDataXferSize);
  if (maxDataXferSize === 0)
    throw wrong('"max_data_xfer_size" of VERSION is 0: nothing could be transferred', 0);
  const migration = all.migration === undefined ? undefined : objectOf(all.migration, "migration");
  const twin = all.twin_socket === undefined ? {} : objectOf(all.twin_socket, "twin_socket");
  return {
    maxMsgFds: whole(all, "max_msg_fds", otherwise.maxMsgFds, MAX_FDS),
    maxDataXferSize,
    maxDmaMaps: whole(all, "max_dma_maps", otherwise.maxDmaMaps),
    pgsizes: whole(all, "pgsizes", otherwise.pgsizes),
    writeMultiple: bool(all, "write_multiple"),
    migrationPageSize: migration === undefined ? undefined : whole(migration, "pgsize", 4096),
    twinSocket: bool(twin, "supported"),
    twinSocketFile: whole(twin, "fd_index", 0, MAX_FDS),
  };
}

/** `null` is a value, and a wrong one. */
const memberOf = (from: JsonObject, key: string, otherwise: unknown): unknown =>
  from[key] === undefined ? otherwise : from[key];

function objectOf(value: unknown, what: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw wrong(`"${what}" of VERSION is ${shown(value)}: expected an object`, shown(value));
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 60);

const wrong = (message: string, value: number | string): IommuError =>
  new IommuError("PEER", message, { value });
