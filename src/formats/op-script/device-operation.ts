import { IommuError } from "../../base/errors.ts";
import type { MachineConfig } from "../../spapr/machine-config.ts";
import { type JsonLine, parseJsonLines } from "../json-lines.ts";
import { type Members, refuseUnknown } from "../members.ts";
import { hexBytes, text, u64, whole } from "./fields.ts";
import { parseHeader } from "./header.ts";
import type { Operation } from "./operation.ts";
import { parseOperation } from "./parse-operation.ts";

/** Bytes of one access to a region. */
const MAX_ACCESS = 2 ** 20;
const MAX_WAIT_MS = 60_000;

/** Kinds of interrupts that a device may be given files for. */
const INTERRUPT_KINDS = ["intx", "msi", "msix"] as const;

/**
 * What a script does with a vfio-user device that it is run on.
 *
 * @public
 */
export type DeviceOperation =
  | { readonly op: "vfio_user_read"; readonly region: number; readonly offset: bigint; readonly len: number }
  | {
      readonly op: "vfio_user_write";
      readonly region: number;
      readonly offset: bigint;
      readonly data: Uint8Array;
    }
  | { readonly op: "vfio_user_reset" }
  | { readonly op: "vfio_user_interrupts"; readonly kind: "intx" | "msi" | "msix" }
  | { readonly op: "vfio_user_migrate" }
  | { readonly op: "vfio_user_wait"; readonly ms: number };

const region = (line: JsonLine): { region: number; offset: bigint } => ({
  region: whole(line, "region", 0, 63),
  offset: u64(line, "offset"),
});

const READERS: Readonly<Record<DeviceOperation["op"], (line: JsonLine) => DeviceOperation>> = {
  vfio_user_read: (line) => ({
    op: "vfio_user_read",
    ...region(line),
    len: whole(line, "len", 1, MAX_ACCESS),
  }),
  vfio_user_write: (line) => {
    const data = hexBytes(line, "data", MAX_ACCESS);
    if (data.length === 0) throw line.error("data", '"data" is "": expected at least a byte');
    return { op: "vfio_user_write", ...region(line), data };
  },
  vfio_user_reset: () => ({ op: "vfio_user_reset" }),
  vfio_user_interrupts: (line) => {
    const kind = text(line, "kind");
    const known = INTERRUPT_KINDS.find((name) => name === kind);
    if (known !== undefined) return { op: "vfio_user_interrupts", kind: known };
    throw line.error("kind", `"kind" is "${kind}": expected ${INTERRUPT_KINDS.join(", ")}`);
  },
  vfio_user_migrate: () => ({ op: "vfio_user_migrate" }),
  vfio_user_wait: (line) => ({ op: "vfio_user_wait", ms: whole(line, "ms", 0, MAX_WAIT_MS) }),
};

const MEMBERS: Readonly<Record<DeviceOperation["op"], readonly string[]>> = {
  vfio_user_read: ["region", "offset", "len"],
  vfio_user_write: ["region", "offset", "data"],
  vfio_user_reset: [],
  vfio_user_interrupts: ["kind"],
  vfio_user_migrate: [],
  vfio_user_wait: ["ms"],
};

const allowed = (of: DeviceOperation["op"]): Members => ({ of, read: ["op", "result", ...MEMBERS[of]] });

/**
 * A script that is run on a device: what a guest does, and what a driver does with the registers.
 *
 * @public
 */
export interface DeviceScript {
  readonly file: string;
  readonly header: JsonLine;
  readonly config: MachineConfig;
  readonly lines: readonly { readonly line: JsonLine; readonly operation: Operation | DeviceOperation }[];
}

/**
 * Reads a script for a device: operations of op scripts, and those that begin with `vfio_user_`. Everything is checked
 * before anything can run.
 *
 * @throws IommuError BAD_FILE with file, line, column and value of the first mistake; LIMIT_EXCEEDED for a script
 * that takes too much memory
 * @public
 */
export function parseDeviceScript(content: string, file: string): DeviceScript {
  return readDeviceScript(parseJsonLines(content, file), file);
}

/**
 * {@link parseDeviceScript}, of lines.
 *
 * @throws IommuError as that does
 */
export function readDeviceScript([header, ...lines]: readonly JsonLine[], file: string): DeviceScript {
  if (header === undefined) throw new IommuError("BAD_FILE", `${file}:1:1: the script is empty`, { file });
  const config = parseHeader(header);
  if (header.value.vfioUser !== undefined) {
    throw header.error(
      "vfioUser",
      "the devices of this recording were QEMU's: a script for a device has none",
    );
  }
  const bridges = (config.phbs ?? []).map((phb) => phb.index);
  return {
    file,
    header,
    config,
    lines: lines.map((line) => ({ line, operation: parseLine(line, bridges) })),
  };
}

function parseLine(line: JsonLine, bridges: readonly number[]): Operation | DeviceOperation {
  const name = text(line, "op");
  if (!isDeviceOperation(name)) return parseOperation(line, bridges, false);
  refuseUnknown(line, line.value, allowed(name));
  return READERS[name](line);
}

/** Is one of the operations for a device? */
export const isDeviceScript = (lines: readonly JsonLine[]): boolean =>
  lines.some(({ value: { op } }) => typeof op === "string" && isDeviceOperation(op));

/** Is it an operation that needs a device to run on? */
export const isDeviceOperation = (name: string): name is DeviceOperation["op"] =>
  Object.hasOwn(READERS, name);
