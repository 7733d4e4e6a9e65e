import { IommuError } from "../../base/errors.ts";
import type { MachineConfig } from "../../spapr/machine-config.ts";
import { type JsonLine, parseJsonLines } from "../json-lines.ts";
import { parseHeader } from "./header.ts";
import type { Operation } from "./operation.ts";
import { parseOperation } from "./parse-operation.ts";
import { type ToldMachine, withToldMachine } from "./told-machine.ts";

/**
 * An operation and the line it comes from; `line.value` has the recorded result and all other fields.
 *
 * @public
 */
export interface ScriptLine {
  readonly line: JsonLine;
  readonly operation: Operation;
}

/**
 * A parsed op script.
 *
 * @public
 */
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
 * @param told the machine, if somebody describes it: then the header may be missing, and must agree otherwise
 * @throws IommuError BAD_FILE with file, line, column and value of the first mistake; LIMIT_EXCEEDED for a script
 * that takes too much memory
 * @public
 */
export const parseOpScript = (content: string, file: string, told?: ToldMachine): OpScript =>
  readOpScript(parseJsonLines(content, file), file, told);

/** Reads a script from its lines; see {@link parseOpScript}. */
export function readOpScript(all: readonly JsonLine[], file: string, told?: ToldMachine): OpScript {
  const [header, ...lines] = told === undefined ? all : withToldMachine(all, file, told);
  if (header === undefined) throw new IommuError("BAD_FILE", `${file}:1:1: the script is empty`, { file });
  const config = parseHeader(header);
  const bridges = (config.phbs ?? []).map((phb) => phb.index);
  const vfioUser = header.value.vfioUser !== undefined;
  const operations = lines.map((line) => ({ line, operation: parseOperation(line, bridges, vfioUser) }));
  return { file, header, config, vfioUser, lines: operations };
}
