import { IommuError } from "../../base/errors.ts";
import type { KernelScript } from "../../formats/kernel-script/script.ts";
import { KERNEL_PROFILES, type KernelProfile } from "../../vfio/host/profile.ts";
import type { CheckedLine, Recording, RunRecordingOptions } from "../recording.ts";
import { compareKernelScript } from "./compare.ts";
import { lockedText } from "./locked-memory.ts";
import { profileOf } from "./run.ts";

/** A recording of a host kernel. Without a profile it runs under the one of the kernel that its header names. */
export function kernelRecording(script: KernelScript): Recording {
  return {
    file: script.name,
    operations: script.lines.length,
    header: () => script.headerText,
    run: (options = {}) => runKernel(script, options),
  };
}

function* runKernel(script: KernelScript, options: RunRecordingOptions): Generator<CheckedLine> {
  let hazards: CheckedLine["hazards"][number][] = [];
  const lines = compareKernelScript(script, {
    profile: options.profile === undefined ? profileOf(script.header) : findKernelProfile(options.profile),
    onHazard: ({ id, rule, ...values }) => hazards.push({ id, what: rule, values }),
  });
  let charged = 0;
  for (const { line, actual, differences } of lines) {
    const { n, op, args, ...result } = actual;
    const recorded = line.expected !== undefined;
    yield {
      line: line.line,
      operation: { n, op, ...(args === undefined ? {} : { args }) },
      result,
      expected: line.expected,
      verdict: recorded ? (differences.length === 0 ? "same" : "different") : "unrecorded",
      reason: undefined,
      text: JSON.stringify(actual),
      refusals: [],
      hazards,
      events: [],
      locked: lockedText(actual, charged),
    };
    charged = actual.lck;
    hazards = [];
  }
}

function findKernelProfile(name: string): KernelProfile {
  const profile = KERNEL_PROFILES.find((other) => other.name === name);
  if (profile !== undefined) return profile;
  const names = KERNEL_PROFILES.map((other) => other.name).join(", ");
  throw new IommuError("BAD_ARGUMENT", `profile "${name}" is none of a kernel: there are ${names}`, { name });
}
