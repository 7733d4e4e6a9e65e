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
 * Runs something that must clean up after itself: Ctrl-C, SIGTERM and SIGHUP
 * abort its signal instead of ending the process.
 */
export async function untilInterrupted<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stopListening = onInterrupt((name) => {
    controller.abort(new IommuError("INTERRUPTED", `interrupted by ${name}`));
  });
  try {
    return await run(controller.signal);
  } finally {
    stopListening();
  }
}
