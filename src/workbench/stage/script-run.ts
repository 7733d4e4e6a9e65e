import { IommuError } from "../../base/errors.ts";
import { counted, formatCount } from "../../base/units.ts";
import { windowsOf } from "../../check/script-spaces.ts";
import { ownStateOf, type WindowState } from "../../check/state/window-state.ts";
import { isKernelScriptHead } from "../../check/whole/input-kind.ts";
import { profileOf } from "../../formats/op-script/header.ts";
import { type OpScript, parseOpScript } from "../../formats/op-script/script.ts";
import { formatFault } from "../../memory/dma-fault.ts";
import type { OpResult } from "../../script/op/result.ts";
import { OpRunner } from "../../script/op/run.ts";
import type { Hazard, Refusal } from "../../spapr/observer.ts";
import type { FaultPoint } from "../../vfio/host/faults.ts";
import { HostedMachine } from "../../vfio/hosted-machine.ts";
import { windowChanges } from "../desk/changes.ts";
import type { ChangeRow } from "../protocol.ts";
import type { ScriptMachine, ScriptMistake, ScriptStep } from "../stage-protocol.ts";
import { answerWords, messageWords, shortened } from "./answer-words.ts";
import { Sample } from "./sample.ts";
import { ToldWatch } from "./told-watch.ts";

/** What the pad takes. Larger scripts are for `spapr-iommu exec`. */
export const SCRIPT_LIMITS: {
  readonly characters: number;
  readonly operations: number;
  readonly seconds: number;
} = {
  characters: 2 ** 20,
  operations: 5000,
  seconds: 10,
};

/** What the host's kernel is asked for. The other points are inside of it. */
const REQUESTS: Readonly<Partial<Record<FaultPoint, string>>> = {
  create: "VFIO_IOMMU_SPAPR_TCE_CREATE",
  register: "VFIO_IOMMU_SPAPR_REGISTER_MEMORY",
  map: "VFIO_IOMMU_MAP_DMA",
  unmap: "VFIO_IOMMU_UNMAP_DMA",
};

/** Characters of a result that are shown. */
const RESULT_LENGTH = 400;

/** Names that files have in the messages of the readers. */
const FILE = "script";

/** Why a script does not run, and where. */
export function mistakeOf(error: unknown): ScriptMistake {
  if (!(error instanceof IommuError)) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { message, line: undefined, column: undefined };
  }
  const { line, column } = error.details;
  const place = new RegExp(`^${FILE}:(?:\\d+:)*\\s*`);
  return {
    message: error.message.replace(place, ""),
    line: typeof line === "number" ? line : undefined,
    column: typeof column === "number" ? column : undefined,
  };
}

/**
 * Reads a script for the pad.
 *
 * @throws IommuError BAD_FILE with line and column of the first mistake; LIMIT_EXCEEDED where it is too long;
 * UNSUPPORTED for a recording of a host's kernel
 */
export function readPadScript(text: string): OpScript {
  const { characters } = SCRIPT_LIMITS;
  if (text.length > characters) {
    throw new IommuError(
      "LIMIT_EXCEEDED",
      `the script has ${formatCount(text.length)} characters, the pad takes ${formatCount(characters)}: run it by spapr-iommu exec`,
      { limit: characters },
    );
  }
  if (isKernelScriptHead(new TextEncoder().encode(text.slice(0, 4096)))) {
    throw new IommuError(
      "UNSUPPORTED",
      "this is a recording of a host's kernel: open it as a file, or run it by spapr-iommu exec",
    );
  }
  return parseOpScript(text, FILE);
}

/**
 * Runs a script, operation by operation, and tells what each did.
 *
 * @param now seconds since some moment
 * @throws IommuError as {@link readPadScript}; LIMIT_EXCEEDED where it has too many operations or takes too long, when
 * what was done by then has been told
 */
export function* runPadScript(script: OpScript, on: ScriptMachine, now: () => number): Generator<ScriptStep> {
  const stage = new Stage(script, on);
  const { operations, seconds } = SCRIPT_LIMITS;
  const end = now() + seconds;
  for (const [i, line] of script.lines.entries()) {
    const where = { line: line.line.number };
    if (i === operations) {
      const most = formatCount(operations);
      throw new IommuError(
        "LIMIT_EXCEEDED",
        `the pad runs ${most} operations; open all as a recording`,
        where,
      );
    }
    if (now() > end)
      throw new IommuError("LIMIT_EXCEEDED", `${counted(i, "operation")} took more than ${seconds} s`, where);
    yield stage.step(line);
  }
}

/** The machine of a script, and everybody who watches it. */
class Stage {
  readonly #runner: OpRunner;
  readonly #watch: ToldWatch | undefined;
  readonly #asked = new Map<string, number>();
  #windows: readonly WindowState[];

  constructor({ config, header, vfioUser }: OpScript, { accel, device }: ScriptMachine) {
    const hosted = { ...config, profile: profileOf(header) };
    if (accel === "tcg" && !device) this.#runner = new OpRunner(hosted, vfioUser);
    else {
      const { accelerator: _none, ...rest } = hosted;
      const bridges = config.phbs ?? [];
      const host = new HostedMachine({
        ...rest,
        accel,
        groups: Math.max(1, bridges.length),
        faults: (point) => {
          const request = REQUESTS[point];
          if (request !== undefined) this.#asked.set(request, (this.#asked.get(request) ?? 0) + 1);
          return undefined;
        },
      });
      this.#runner = new OpRunner(host.machine, vfioUser);
      if (device) {
        for (const [group, { index }] of bridges.entries()) {
          const plugged = host.plug(group, index);
          if (!plugged.ok)
            throw new IommuError(
              "UNSUPPORTED",
              `no device can be plugged into bridge ${index}: ${plugged.error}`,
            );
        }
        this.#watch = new ToldWatch(host.machine);
      }
    }
    this.#asked.clear();
    this.#windows = this.#look();
  }

  #look(): readonly WindowState[] {
    return windowsOf(this.#runner.machine).map(ownStateOf);
  }

  step({ line, operation }: OpScript["lines"][number]): ScriptStep {
    const { machine } = this.#runner;
    const refusals: Refusal[] = [];
    const hazards: Hazard[] = [];
    const limit = 8;
    machine.observer.refusal = (refusal) => refusals.length < limit && refusals.push(refusal);
    machine.observer.hazard = (hazard) => hazards.length < limit && hazards.push(hazard);
    const faults: string[] = [];
    machine.memory.onDmaFault = (fault) => faults.length < limit && faults.push(formatFault(fault));
    let result: OpResult;
    try {
      result = this.#runner.run(operation);
    } catch (cause) {
      if (!(cause instanceof IommuError)) throw cause;
      throw new IommuError(cause.code, cause.message, { ...cause.details, line: line.number }, { cause });
    }
    const changes = new Sample<ChangeRow>();
    const before = this.#windows;
    this.#windows = this.#look();
    windowChanges(before, this.#windows, (change) => changes.add(change));
    const messages = new Sample<string>();
    for (const message of (result.vfioUser ?? []) as readonly OpResult[]) messages.add(messageWords(message));
    const told = this.#watch?.take() ?? new Sample();
    const host = [...this.#asked].map(([request, count]) => `${formatCount(count)} ${request}`);
    this.#asked.clear();
    const isCall = operation.op.startsWith("h_") || operation.op === "hcall";
    return {
      line: line.number,
      op: operation.op === "rtas" && typeof line.value.name === "string" ? line.value.name : operation.op,
      ...answerWords(operation, result),
      result: shortened(JSON.stringify(result), RESULT_LENGTH),
      refusals,
      faults,
      hazards: hazards.map(({ id, what }) => `${what} (${id})`),
      changes: changes.plain,
      told: told.plain,
      messages: messages.plain,
      host,
      servedByKernel: isCall && machine.servedBy === "kvm",
    };
  }
}
