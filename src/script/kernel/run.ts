import { isErrno } from "../../base/errno.ts";
import { hex } from "../../base/u64.ts";
import { placed } from "../../formats/json-lines.ts";
import { argument } from "../../formats/kernel-script/operations.ts";
import type { KernelHeader, KernelLine, KernelScript, Outcome } from "../../formats/kernel-script/script.ts";
import type { KvmHazard } from "../../kvm/hypercalls.ts";
import type { FaultHook, Hazard } from "../../vfio/host/faults.ts";
import { Host } from "../../vfio/host/host.ts";
import { type KernelProfile, LINUX_6_1, LINUX_6_12 } from "../../vfio/host/profile.ts";
import { KVM_OPERATIONS } from "./kvm-operations.ts";
import { MEMORY_OPERATIONS } from "./memory-operations.ts";
import type { Operations } from "./operation.ts";
import { Program } from "./program.ts";
import { VFIO_OPERATIONS } from "./vfio-operations.ts";

const HANDLERS: Operations = { ...MEMORY_OPERATIONS, ...VFIO_OPERATIONS, ...KVM_OPERATIONS };

/** How a script runs. */
export interface RunOptions {
  /** The kernel to imitate; by default the one that the header names. */
  readonly profile?: KernelProfile;
  /** Makes operations fail. */
  readonly faults?: FaultHook;
  /** Notified of requests that would do damage in a real kernel. */
  readonly onHazard?: (hazard: Hazard | KvmHazard) => void;
  /** Is given the program before its first operation, to look at it between them. */
  readonly onStart?: (program: Program) => void;
}

/** An operation with its outcome. As JSON it is a line of a recording. */
export interface ResultLine extends Outcome {
  readonly n: number;
  readonly op: string;
  readonly args?: Readonly<Record<string, string>>;
  readonly lck: number;
}

/** The profile of the kernel that a recording names. */
export const profileOf = ({ kernel }: KernelHeader): KernelProfile =>
  kernel.startsWith("6.1.") ? LINUX_6_1 : LINUX_6_12;

/**
 * Runs a script on a fresh model of the host, one operation per step.
 *
 * @throws IommuError with file and line for an operation that goes beyond a limit
 */
export function* runKernelScript(script: KernelScript, options: RunOptions = {}): Generator<ResultLine> {
  const { header } = script;
  const host = new Host({
    profile: options.profile ?? profileOf(header),
    pageShift: Math.log2(header.pageSize),
    groups: header.devices.length,
    bridge: {
      dma32WindowSize: header.dma32WindowSize,
      pageSizes: header.pageSizes,
      levels: header.levels,
    },
    ...(options.faults === undefined ? {} : { faults: options.faults }),
    ...(options.onHazard === undefined ? {} : { onHazard: options.onHazard }),
  });
  const program = Program.start(host, header, options.onHazard);
  options.onStart?.(program);
  for (const line of script.lines) yield placed(script.name, line.line, () => runLine(program, line));
}

function runLine(program: Program, line: KernelLine): ResultLine {
  if ((line.args.child ?? 0n) === 0n) return execute(program, line);
  const child = program.fork();
  const result = execute(child, line);
  child.exit();
  return result;
}

function execute(program: Program, { n, op, args }: KernelLine): ResultLine {
  const out: Record<string, string> = {};
  const answer = HANDLERS[op]!({
    program,
    arg: (name) => argument(op, args, name),
    has: (name) => Object.hasOwn(args, name),
    out,
  });
  const { memory } = program.process;
  const texts = Object.entries(args).map(([key, value]) => [key, hex(value)] as const);
  return {
    n,
    op,
    ...(texts.length > 0 ? { args: Object.fromEntries(texts) } : {}),
    ret: isErrno(answer) ? -1 : answer,
    ...(isErrno(answer) ? { errno: answer } : {}),
    ...(Object.keys(out).length > 0 ? { out } : {}),
    lck: memory.lockedPages * (memory.pageSize / 1024),
  };
}
