import { RTAS_NAMES } from "../../spapr/papr.ts";
import type { JsonLine } from "../json-lines.ts";
import { type Members, refuseUnknown } from "../members.ts";
import { suggestion } from "../suggestion.ts";
import { hexBytes, list, show, text, u64, whole } from "./fields.ts";
import type { Operation } from "./operation.ts";

/** Bytes that one operation may read or write at once. */
const MAX_BYTES = 16 * 2 ** 20;
/** H_GET_TCEs of one get_tce_scan, and calls of one bench. */
const MAX_COUNT = 2 ** 26;
/** A DMA goes through the buffer of the device that made the recordings. */
const MAX_DMA_BYTES = 2040;
/** Bytes of one DMA message of a vfio-user device. */
const MAX_MESSAGE_BYTES = 2 ** 20;

const optional = <T>(line: JsonLine, key: string, read: () => T, otherwise: T): T =>
  line.value[key] === undefined ? otherwise : read();

/** A reader for each operation; `bridges` are the indexes of the machine's host bridges. */
const READERS: Readonly<Record<Operation["op"], (line: JsonLine, bridges: readonly number[]) => Operation>> =
  {
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
      const args = list(line, "args", 1024, (value) =>
        whole(line, "args", 0, 2 ** 32 - 1, { value, name: "args" }),
      );
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

/** The members of each operation. */
export const OPERATION_MEMBERS: Readonly<Record<Operation["op"], readonly string[]>> = {
  h_put_tce: ["liobn", "ioba", "tce"],
  h_get_tce: ["liobn", "ioba"],
  h_put_tce_indirect: ["liobn", "ioba", "listAddr", "list", "npages"],
  h_stuff_tce: ["liobn", "ioba", "tce", "npages"],
  get_tce_scan: ["liobn", "ioba", "step", "count"],
  hcall: ["opcode", "args", "nout"],
  rtas: ["name", "token", "args", "nargs", "nret"],
  write_mem: ["addr", "data"],
  fill_mem: ["addr", "len", "value"],
  read_mem: ["addr", "len"],
  system_reset: [],
  fdt_prop: ["path", "prop"],
  dma_read: ["phb", "iova", "len"],
  dma_write: ["phb", "iova", "data"],
  bench: ["opcode", "args", "count", "step", "wrap", "step2"],
  device_add: ["id", "phb", "slot", "server"],
  device_del: ["id"],
  vfio_dma_read: ["dev", "iova", "len"],
  vfio_dma_write: ["dev", "iova", "data"],
  note: ["text"],
};
/** What any operation may have: its name, and what came out of it. */
const COMMON_MEMBERS: readonly string[] = ["op", "result", "crash"];
const MEMBERS: ReadonlyMap<string, Members> = new Map(
  Object.entries(OPERATION_MEMBERS).map(([of, members]) => [
    of,
    { of, read: [...members, ...COMMON_MEMBERS] },
  ]),
);

/** Operations that need vfio-user devices, and those that cannot be had together with them. */
const NEEDS_VFIO_USER = ["device_add", "device_del", "vfio_dma_read", "vfio_dma_write"];
const WITHOUT_VFIO_USER = ["dma_read", "dma_write"];

/** Reads one operation; `bridges` are the indexes of the machine's host bridges. */
export function parseOperation(line: JsonLine, bridges: readonly number[], vfioUser: boolean): Operation {
  const name = text(line, "op");
  if (name.startsWith("vfio_user_")) {
    throw line.error(
      "op",
      `${show(name)} needs a device: run the script by spapr-iommu device SOCKET --script FILE`,
    );
  }
  if (!isOperation(name))
    throw line.error("op", `unknown operation ${show(name)}${suggestion(name, Object.keys(READERS))}`);
  refuseUnknown(line, line.value, MEMBERS.get(name)!);
  if (!vfioUser && NEEDS_VFIO_USER.includes(name))
    throw line.error("op", `"${name}" needs "vfioUser" in the header`);
  if (vfioUser && WITHOUT_VFIO_USER.includes(name)) {
    throw line.error("op", `"${name}" cannot be used together with vfio-user devices`);
  }
  return READERS[name](line, bridges);
}

const isOperation = (name: string): name is Operation["op"] => Object.hasOwn(READERS, name);

function rtasToken(line: JsonLine): number {
  if (line.value.token !== undefined) {
    if (line.value.name !== undefined)
      throw line.error("name", '"name" beside "token": one of them names the call');
    return whole(line, "token", 0, 2 ** 32 - 1);
  }
  const name = text(line, "name");
  const token = Object.hasOwn(RTAS_NAMES, name) ? RTAS_NAMES[name] : undefined;
  if (token === undefined) {
    throw line.error("name", `unknown RTAS call ${show(name)}${suggestion(name, Object.keys(RTAS_NAMES))}`);
  }
  return token;
}

function serverKind(line: JsonLine): string {
  const kind = optional(line, "server", () => text(line, "server"), "accept");
  if (kind === "accept" || kind === "strict") return kind;
  throw line.error("server", `"server" is ${show(kind)}: expected "accept" or "strict"`);
}

function bridgeIndex(line: JsonLine, bridges: readonly number[]): number {
  const index = optional(line, "phb", () => whole(line, "phb", 0, 30), 0);
  if (!bridges.includes(index))
    throw line.error("phb", `"phb" is ${index}: the machine has no such host bridge`);
  return index;
}
