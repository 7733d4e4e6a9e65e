import type { Answer } from "../../base/errno.ts";
import type { Program } from "./program.ts";

/** An operation while it runs. */
export interface OperationCall {
  /** The process that runs it. */
  readonly program: Program;
  /** An argument, or its default. */
  readonly arg: (name: string) => bigint;
  /** Was the argument given? */
  readonly has: (name: string) => boolean;
  /** Fields for the outcome's `out`, in the order of the file. */
  readonly out: Record<string, string>;
}

/**
 * Operations by name. A number is what the system call returns, an error name
 * makes that -1; -1 itself is a failure without an error.
 */
export type Operations = Readonly<Record<string, (call: OperationCall) => Answer<number>>>;
