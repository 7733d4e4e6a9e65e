import type { IommuError } from "../../base/errors.ts";
import type { JsonLine } from "../json-lines.ts";
import { show, u64, whole } from "./fields.ts";

/** A DMA of a device, as the recording of its run has it. */
export interface RecordedDma {
  readonly write: boolean;
  readonly iova: bigint;
  readonly bytes: number;
  readonly isRefused: boolean;
}

/** What a line of a run says of the device. */
export interface DeviceResult {
  readonly dma: readonly RecordedDma[];
  /** What was found, as `stale: read of ...`. */
  readonly findings: readonly string[];
  /** The device refused, or had gone. */
  readonly isRefused: boolean;
}

type Members = Readonly<Record<string, unknown>>;

/**
 * Reads the result of a line that was run on a device; a line that was not run has none.
 *
 * @throws IommuError BAD_FILE with the place and the value of the first mistake
 */
export function readDeviceResult(line: JsonLine): DeviceResult {
  const result = membersOf(line, line.value.result ?? {}, "result");
  return {
    dma: listOf(line, result.dma, "dma").map((one) => recordedDma(line, one)),
    findings: listOf(line, result.findings, "findings").map(
      ({ kind, why }) => `${textOf(line, kind, "kind")}: ${textOf(line, why, "why")}`,
    ),
    isRefused: result.errno !== undefined || result.error !== undefined,
  };
}

function recordedDma(line: JsonLine, { op, iova, len, errno }: Members): RecordedDma {
  if (op !== "read" && op !== "write") throw wrong(line, op, "op", `"read" or "write"`);
  return {
    write: op === "write",
    iova: u64(line, "result", iova, "iova"),
    bytes: whole(line, "result", 0, 2 ** 32, { value: len, name: "len" }),
    isRefused: errno !== undefined,
  };
}

const listOf = (line: JsonLine, value: unknown, name: string): Members[] => {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw wrong(line, value, name, "a list");
  return value.map((one) => membersOf(line, one, name));
};

function membersOf(line: JsonLine, value: unknown, name: string): Members {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Members;
  throw wrong(line, value, name, "an object");
}

function textOf(line: JsonLine, value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw wrong(line, value, name, "a string");
}

const wrong = (line: JsonLine, value: unknown, name: string, expected: string): IommuError =>
  line.error("result", `"${name}" of the result is ${show(value)}: expected ${expected}`);
