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

/** What a shell says of a process that a signal ended. */
const STATUS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Runs something that must clean up after itself: Ctrl-C, SIGTERM and SIGHUP
 * abort its signal instead of ending the process. The second one ends it at once.
 */
export async function untilInterrupted<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stopListening = onInterrupt((name) => {
    if (controller.signal.aborted) process.exit(STATUS[name as keyof typeof STATUS]);
    controller.abort(new IommuError("INTERRUPTED", `interrupted by ${name}`));
  });
  try {
    return await run(controller.signal);
  } finally {
    stopListening();
  }
}
