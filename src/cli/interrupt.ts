import process from "node:process";
import { IommuError } from "../base/errors.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Calls a handler at Ctrl-C, SIGTERM and SIGHUP, which do not end the process then. Returns what stops that. */
export function onInterrupt(handle: (signal: NodeJS.Signals) => void): () => void {
  for (const signal of SIGNALS) process.on(signal, handle);
  return () => {
    for (const signal of SIGNALS) process.off(signal, handle);
  };
}

/**
 * Leaves nothing behind when the user gives up; then the signal does what it does, unless somebody else listens, who will
 * end what was begun. Returns what ends that.
 */
export function discardOnSignal(discard: () => void): () => void {
  const stopListening = onInterrupt((signal) => {
    if (process.listenerCount(signal) > 1) return;
    stopListening();
    discard();
    process.kill(process.pid, signal);
  });
  return stopListening;
}

/** What a shell says of a process that a signal ended. */
const STATUS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** Milliseconds in which what is still open closes. */
const PATIENCE = 500;
let interruptedBy: NodeJS.Signals | undefined;

/**
 * To be called when all is done: what is still waited for then, such as a pipe to which nobody writes, is given up. A
 * thread that reads it would keep an exit waiting, too; the signal does not wait.
 */
export function endInterrupted(): void {
  const signal = interruptedBy;
  if (signal !== undefined) setTimeout(() => process.kill(process.pid, signal), PATIENCE).unref();
}

/**
 * Runs something that must clean up after itself: Ctrl-C, SIGTERM and SIGHUP
 * abort its signal instead of ending the process. The second one ends it at once.
 */
export async function untilInterrupted<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stopListening = onInterrupt((name) => {
    if (controller.signal.aborted) process.exit(STATUS[name as keyof typeof STATUS]);
    interruptedBy = name;
    controller.abort(new IommuError("INTERRUPTED", `interrupted by ${name}`));
  });
  try {
    return await run(controller.signal);
  } finally {
    stopListening();
  }
}
