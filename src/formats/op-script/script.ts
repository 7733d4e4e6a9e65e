import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import { Machine, type MachineConfig } from "../../spapr/machine.ts";
import { buidOf, MAX_PHB_INDEX, pciLiobn, RTAS_NAMES } from "../../spapr/papr.ts";
import { PHB_DEFAULTS, type PhbConfig } from "../../spapr/phb.ts";
import type { Profile } from "../../spapr/profile.ts";
import type { VioConfig } from "../../spapr/vio.ts";
import { type JsonLine, parseJsonLines } from "../json-lines.ts";
import { hexBytes, list, suggestion, text, u64, whole } from "./fields.ts";

/** The most operations of one script. */
export const MAX_OPERATIONS = 2_000_000;
/** Bytes that one operation may read or write at once. */
const MAX_BYTES = 16 * 2 ** 20;
/** H_GET_TCEs of one get_tce_scan, and calls of one bench. */
const MAX_COUNT = 2 ** 26;
/** A DMA goes through the buffer of the device that made the recordings. */
const MAX_DMA_BYTES = 2040;
/** Bytes of one DMA message of a vfio-user device. */
const MAX_MESSAGE_BYTES = 2 ** 20;
/** Machine memory comes in blocks of 256 MiB (QEMU refuses others). */
const RAM_BLOCK = 0x1000_0000n;

/** What an operation does. 64-bit values are bigints; everything is checked. */
export type Operation =
  | { readonly op: "h_put_tce"; readonly liobn: bigint; readonly ioba: bigint; readonly tce: bigint }
  | { readonly op: "h_get_tce"; readonly liobn: bigint; readonly ioba: bigint }
  | {
      readonly op: "h_put_tce_indirect";
      readonly liobn: bigint;
      readonly ioba: bigint;
      readonly listAddr: bigint;
      /** Written to memory before the call; undefined: whatever is there. */
      readonly list: readonly bigint[] | undefined;
      readonly npages: bigint;
    }
  | {
      readonly op: "h_stuff_tce";
      readonly liobn: bigint;
      readonly ioba: bigint;
      readonly tce: bigint;
      readonly npages: bigint;
    }
  | {
      readonly op: "get_tce_scan";
      readonly liobn: bigint;
      readonly ioba: bigint;
      readonly step: bigint;
      readonly count: number;
    }
  | { readonly op: "hcall"; readonly opcode: bigint; readonly args: readonly bigint[]; readonly nout: number }
  | {
      readonly op: "rtas";
      readonly token: number;
      readonly args: readonly number[];
      readonly nargs: number;
      readonly nret: number;
    }
  | { readonly op: "write_mem"; readonly addr: bigint; readonly data: Uint8Array }
  | { readonly op: "fill_mem"; readonly addr: bigint; readonly len: number; readonly value: bigint }
  | { readonly op: "read_mem"; readonly addr: bigint; readonly len: number }
  | { readonly op: "system_reset" }
  | { readonly op: "fdt_prop"; readonly path: string; readonly prop: string }
  | { readonly op: "dma_read"; readonly phb: number; readonly iova: bigint; readonly len: number }
  | { readonly op: "dma_write"; readonly phb: number; readonly iova: bigint; readonly data: Uint8Array }
  | {
      readonly op: "bench";
      readonly opcode: bigint;
      readonly args: readonly bigint[];
      readonly count: number;
      readonly step: bigint;
      readonly wrap: bigint;
      readonly step2: bigint;
    }
  | {
      readonly op: "device_add";
      readonly id: string;
      readonly phb: number;
      /** PCI slot on the bridge. */
      readonly slot: number;
      /** The device refuses mappings that overlap and unmaps that cut or find nothing. */
      readonly strict: boolean;
    }
  | { readonly op: "device_del"; readonly id: string }
  | { readonly op: "vfio_dma_read"; readonly dev: string; readonly iova: bigint; readonly len: number }
  | { readonly op: "vfio_dma_write"; readonly dev: string; readonly iova: bigint; readonly data: Uint8Array }
  | { readonly op: "note" };

/** An operation and the line it comes from; `line.value` has the recorded result and all other fields. */
export interface ScriptLine {
  readonly line: JsonLine;
  readonly operation: Operation;
}

/** A parsed op script. */
export interface OpScript {
  readonly file: string;
  readonly header: JsonLine;
  readonly config: MachineConfig;
  /** The script plugs vfio-user devices; each result has the DMA messages they were sent. */
  readonly vfioUser: boolean;
  readonly lines: readonly ScriptLine[];
}

/**
 * Reads an op script: the JSONL format of the recordings. Everything is checked
 * before anything can run.
 *
 * @throws IommuError BAD_FILE with file, line, column and value of the first mistake
 */
export function parseOpScript(content: string, file: string): OpScript {
  const [header, ...lines] = parseJsonLines(content, file);
  if (header === undefined) throw new IommuError("BAD_FILE", `${file}:1:1: the script is empty`, { file });
  const config = parseHeader(header);
  if (lines.length > MAX_OPERATIONS) {
    throw lines[MAX_OPERATIONS]!.error("op", `more than ${MAX_OPERATIONS} operations`);
  }
  const bridges = (config.phbs ?? []).map((phb) => phb.index);
  const vfioUser = header.value.vfioUser !== undefined;
  const operations = lines.map((line) => ({ line, operation: parseOperation(line, bridges, vfioUser) }));
  return { file, header, config, vfioUser, lines: operations };
}

/**
 * The header of a script with every default filled in, as recordings have it.
 *
 * @param engine who the results are from
 */
export function completeHeader(script: OpScript, engine: string, profile: Profile): Record<string, unknown> {
  const { header, qemu, engine: _engine, profile: _profile, ...rest } = script.header.value;
  const phbs = (script.config.phbs ?? []).map((phb) => ({
    index: phb.index,
    buid: hex(buidOf(phb.index)),
    liobns: [hex(pciLiobn(phb.index, 0)), hex(pciLiobn(phb.index, 1))],
    ddw: phb.ddw ?? PHB_DEFAULTS.ddw,
    pgsz: hex(phb.pgsz ?? profile.defaultPageSizes),
    dmaWinAddr: hex(phb.dmaWinAddr ?? PHB_DEFAULTS.dmaWinAddr),
    dmaWinSize: hex(phb.dmaWinSize ?? PHB_DEFAULTS.dmaWinSize),
    dma64WinAddr: hex(phb.dma64WinAddr ?? PHB_DEFAULTS.dma64WinAddr),
  }));
  return {
    header,
    engine,
    profile: profile.name,
    ...rest,
    ramSize: hex(script.config.ramSize ?? RAM_BLOCK),
    phbs,
  };
}

const HEADER_FIELDS = [
  "header",
  "qemu",
  "engine",
  "profile",
  "machine",
  "ramSize",
  "phbs",
  "vio",
  "title",
  "vfioUser",
];
const PHB_FIELDS = ["index", "buid", "liobns", "ddw", "pgsz", "dmaWinAddr", "dmaWinSize", "dma64WinAddr"];

function parseHeader(line: JsonLine): MachineConfig {
  if (line.value.header !== 1)
    throw line.error("header", 'the first line must be a header: {"header":1,...}');
  refuseUnknown(line, line.value, HEADER_FIELDS, "header field");
  const ramSize = line.value.ramSize === undefined ? RAM_BLOCK : u64(line, "ramSize");
  if (ramSize === 0n || ramSize % RAM_BLOCK !== 0n) {
    throw line.error("ramSize", `"ramSize" is ${hex(ramSize)}: memory comes in blocks of 256 MiB`);
  }
  const phbs = list(line, "phbs", 31, (value) => parsePhb(line, value));
  if (phbs.length > 0 && phbs[0]!.index !== 0)
    throw line.error("phbs", "the first host bridge always has index 0");
  const indexes = new Set(phbs.map((phb) => phb.index));
  if (indexes.size < phbs.length) throw line.error("phbs", "two host bridges have the same index");
  const vio = list(line, "vio", 64, (value) => parseVio(line, value));
  const config = { ramSize, phbs: phbs.length > 0 ? phbs : [{ index: 0 }], vio };
  try {
    // What else makes no machine, a machine says itself.
    new Machine(config);
  } catch (cause) {
    throw line.error("header", (cause as Error).message);
  }
  return config;
}

/** @param at member of the line that an error points at; by default the unknown one */
function refuseUnknown(
  line: JsonLine,
  fields: Readonly<Record<string, unknown>>,
  known: readonly string[],
  what: string,
  at?: string,
): void {
  const unknown = Object.keys(fields).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw line.error(at ?? unknown, `unknown ${what} "${unknown}"${suggestion(unknown, known)}`);
}

function parsePhb(line: JsonLine, value: unknown): PhbConfig {
  if (typeof value !== "object" || value === null)
    throw line.error("phbs", "a host bridge must be an object");
  const phb = value as Record<string, unknown>;
  refuseUnknown(line, phb, PHB_FIELDS, "field of a host bridge:", "phbs");
  if (phb.index === undefined) throw line.error("phbs", 'a host bridge must have an "index"');
  const field = (key: string): { [key: string]: bigint } | undefined =>
    phb[key] === undefined ? undefined : { [key]: u64(line, "phbs", phb[key], key) };
  const index = whole(line, "phbs", 0, MAX_PHB_INDEX, phb.index, "index");
  const { ddw } = phb;
  if (ddw !== undefined && typeof ddw !== "boolean")
    throw line.error("phbs", `"ddw" is ${ddw}: expected true or false`);
  if (phb.buid !== undefined && u64(line, "phbs", phb.buid, "buid") !== buidOf(index)) {
    throw line.error("phbs", `"buid" of bridge ${index} is ${phb.buid}: it is always ${hex(buidOf(index))}`);
  }
  const liobns = JSON.stringify([hex(pciLiobn(index, 0)), hex(pciLiobn(index, 1))]);
  if (phb.liobns !== undefined && JSON.stringify(phb.liobns) !== liobns) {
    throw line.error(
      "phbs",
      `"liobns" of bridge ${index} are ${JSON.stringify(phb.liobns)}: they are always ${liobns}`,
    );
  }
  return {
    index,
    ...(ddw === undefined ? {} : { ddw }),
    ...field("pgsz"),
    ...field("dmaWinAddr"),
    ...field("dmaWinSize"),
    ...field("dma64WinAddr"),
  };
}

/** `spapr-vlan,reg=0x71000003`, as QEMU's -device takes it. */
function parseVio(line: JsonLine, value: unknown): VioConfig {
  const match = /^([a-z0-9-]+)(?:,reg=(0x[0-9a-fA-F]{1,8}))?$/.exec(typeof value === "string" ? value : "");
  if (match === null) {
    throw line.error(
      "vio",
      `VIO device ${JSON.stringify(value)}: expected a string such as "spapr-vlan,reg=0x71000003"`,
    );
  }
  return match[2] === undefined ? { type: match[1]! } : { type: match[1]!, reg: Number(match[2]) };
}

const optional = <T>(line: JsonLine, key: string, read: () => T, otherwise: T): T =>
  line.value[key] === undefined ? otherwise : read();

/** A reader for each operation; `bridges` are the indexes of the machine's host bridges. */
const READERS: Readonly<Record<string, (line: JsonLine, bridges: readonly number[]) => Operation>> = {
  h_put_tce: (line) => ({
    op: "h_put_tce",
    liobn: u64(line, "liobn"),
    ioba: u64(line, "ioba"),
    tce: u64(line, "tce"),
  }),
  h_get_tce: (line) => ({ op: "h_get_tce", liobn: u64(line, "liobn"), ioba: u64(line, "ioba") }),
  h_put_tce_indirect: (line) => {
    const entries =
      line.value.list === undefined
        ? undefined
        : list(line, "list", 65_536, (value) => u64(line, "list", value));
    return {
      op: "h_put_tce_indirect",
      liobn: u64(line, "liobn"),
      ioba: u64(line, "ioba"),
      listAddr: optional(line, "listAddr", () => u64(line, "listAddr"), 0x20_0000n),
      list: entries,
      npages:
        line.value.npages === undefined && entries !== undefined
          ? BigInt(entries.length)
          : u64(line, "npages"),
    };
  },
  h_stuff_tce: (line) => ({
    op: "h_stuff_tce",
    liobn: u64(line, "liobn"),
    ioba: u64(line, "ioba"),
    tce: u64(line, "tce"),
    npages: u64(line, "npages"),
  }),
  get_tce_scan: (line) => ({
    op: "get_tce_scan",
    liobn: u64(line, "liobn"),
    ioba: u64(line, "ioba"),
    step: u64(line, "step"),
    count: whole(line, "count", 0, MAX_COUNT),
  }),
  hcall: (line) => ({
    op: "hcall",
    opcode: u64(line, "opcode"),
    args: list(line, "args", 9, (value) => u64(line, "args", value)),
    nout: optional(line, "nout", () => whole(line, "nout", 0, 9), 0),
  }),
  rtas: (line) => {
    const args = list(line, "args", 1024, (value) => whole(line, "args", 0, 2 ** 32 - 1, value));
    return {
      op: "rtas",
      token: rtasToken(line),
      args,
      nargs: optional(line, "nargs", () => whole(line, "nargs", 0, 1024), args.length),
      nret: whole(line, "nret", 0, 1024),
    };
  },
  write_mem: (line) => ({
    op: "write_mem",
    addr: u64(line, "addr"),
    data: hexBytes(line, "data", MAX_BYTES),
  }),
  fill_mem: (line) => ({
    op: "fill_mem",
    addr: u64(line, "addr"),
    len: whole(line, "len", 0, MAX_BYTES),
    value: u64(line, "value"),
  }),
  read_mem: (line) => ({ op: "read_mem", addr: u64(line, "addr"), len: whole(line, "len", 0, MAX_BYTES) }),
  system_reset: () => ({ op: "system_reset" }),
  fdt_prop: (line) => ({ op: "fdt_prop", path: text(line, "path"), prop: text(line, "prop") }),
  dma_read: (line, bridges) => ({
    op: "dma_read",
    phb: bridgeIndex(line, bridges),
    iova: u64(line, "iova"),
    len: whole(line, "len", 1, MAX_DMA_BYTES),
  }),
  dma_write: (line, bridges) => {
    const data = hexBytes(line, "data", MAX_DMA_BYTES);
    if (data.length === 0) throw line.error("data", '"data" is "": expected 1 to 2040 bytes');
    return { op: "dma_write", phb: bridgeIndex(line, bridges), iova: u64(line, "iova"), data };
  },
  bench: (line) => ({
    op: "bench",
    opcode: u64(line, "opcode"),
    args: list(line, "args", 9, (value) => u64(line, "args", value)),
    count: whole(line, "count", 0, MAX_COUNT),
    step: optional(line, "step", () => u64(line, "step"), 0n),
    wrap: optional(line, "wrap", () => u64(line, "wrap"), 1n),
    step2: optional(line, "step2", () => u64(line, "step2"), 0n),
  }),
  device_add: (line, bridges) => ({
    op: "device_add",
    id: text(line, "id"),
    phb: bridgeIndex(line, bridges),
    slot: optional(line, "slot", () => whole(line, "slot", 1, 31), 3),
    strict: serverKind(line) === "strict",
  }),
  device_del: (line) => ({ op: "device_del", id: text(line, "id") }),
  vfio_dma_read: (line) => ({
    op: "vfio_dma_read",
    dev: text(line, "dev"),
    iova: u64(line, "iova"),
    len: whole(line, "len", 0, MAX_MESSAGE_BYTES),
  }),
  vfio_dma_write: (line) => ({
    op: "vfio_dma_write",
    dev: text(line, "dev"),
    iova: u64(line, "iova"),
    data: hexBytes(line, "data", MAX_MESSAGE_BYTES),
  }),
  note: (line) => {
    text(line, "text");
    return { op: "note" };
  },
};

/** Operations that need vfio-user devices, and those that cannot be had together with them. */
const NEEDS_VFIO_USER = ["device_add", "device_del", "vfio_dma_read", "vfio_dma_write"];
const WITHOUT_VFIO_USER = ["dma_read", "dma_write"];

/** Reads one operation; `bridges` are the indexes of the machine's host bridges. */
export function parseOperation(line: JsonLine, bridges: readonly number[], vfioUser: boolean): Operation {
  const name = text(line, "op");
  const read = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
  if (read === undefined)
    throw line.error("op", `unknown operation "${name}"${suggestion(name, Object.keys(READERS))}`);
  if (!vfioUser && NEEDS_VFIO_USER.includes(name))
    throw line.error("op", `"${name}" needs "vfioUser" in the header`);
  if (vfioUser && WITHOUT_VFIO_USER.includes(name)) {
    throw line.error("op", `"${name}" cannot be used together with vfio-user devices`);
  }
  return read(line, bridges);
}

function rtasToken(line: JsonLine): number {
  if (line.value.token !== undefined) return whole(line, "token", 0, 2 ** 32 - 1);
  const name = text(line, "name");
  const token = Object.hasOwn(RTAS_NAMES, name) ? RTAS_NAMES[name] : undefined;
  if (token === undefined) {
    throw line.error("name", `unknown RTAS call "${name}"${suggestion(name, Object.keys(RTAS_NAMES))}`);
  }
  return token;
}

function serverKind(line: JsonLine): string {
  const kind = optional(line, "server", () => text(line, "server"), "accept");
  if (kind === "accept" || kind === "strict") return kind;
  throw line.error("server", `"server" is "${kind}": expected "accept" or "strict"`);
}

function bridgeIndex(line: JsonLine, bridges: readonly number[]): number {
  const index = optional(line, "phb", () => whole(line, "phb", 0, 30), 0);
  if (!bridges.includes(index))
    throw line.error("phb", `"phb" is ${index}: the machine has no such host bridge`);
  return index;
}
