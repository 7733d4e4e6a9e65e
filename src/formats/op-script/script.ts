import { IommuError } from "../../base/errors.ts";
import type { MachineConfig } from "../../spapr/machine.ts";
import { type JsonLine, parseJsonLines } from "../json-lines.ts";
import { parseHeader } from "./header.ts";
import { type Operation, parseOperation } from "./operation.ts";

/** The most operations of one script. */
export const MAX_OPERATIONS = 2_000_000;

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
