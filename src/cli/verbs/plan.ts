import { IommuError } from "../../base/errors.ts";
import { hex, hex64 } from "../../base/u64.ts";
import { formatCount, formatSize, formatTime } from "../../base/units.ts";
import { textOf } from "../../formats/input/text.ts";
import { readMachine } from "../../formats/machine/read-machine.ts";
import { type Plan, type PlanOptions, planMachine } from "../../lab/plan.ts";
import { displayName } from "../display-name.ts";
import { openInput } from "../input.ts";
import { flag, oneOf, outputOption, text } from "../options.ts";
import { Exit, formatTable, print, toJson } from "../output.ts";
import { defineVerb, type Verb } from "../verb.ts";

interface Options {
  readonly kernel: string | undefined;
  readonly container: "v1" | "v2";
  readonly passThrough: boolean;
  readonly output: "human" | "json";
}

/** What libvirt adds to a guest's memory for QEMU itself when it sets a limit. */
const QEMU_BYTES = 2n ** 30n;

/** `plan FILE`: which windows a machine's guest will ask for, whether they fit, and what they cost. */
async function plan(path: string, { kernel, container, passThrough, output }: Options): Promise<number> {
  const name = displayName(path);
  const description = readMachine(await textOf(openInput(path), name), name);
  if (description === undefined) {
    throw new IommuError(
      "UNSUPPORTED",
      `${name}: no description of a machine: it should be a command line of QEMU's, /proc/PID/cmdline, or the JSON beside a recorded boot`,
    );
  }
  const options: PlanOptions = { kernel, container: `spapr-${container}`, passThrough };
  const planned = planMachine(description, options);
  if (output === "json") print(toJson(planned));
  else printPlan(name, planned);
  return planned.notes.some(({ severity }) => severity === "warning") ? Exit.WRONG : Exit.OK;
}
