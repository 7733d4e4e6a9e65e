import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ChangedSettings } from "./settings.ts";

/**
 * Somebody who puts settings back if this process ends before it does so itself.
 *
 * @public
 */
export interface Guard {
  /** To be called before each change; resolves when the guard knows of it. */
  update(changed: ChangedSettings): Promise<void>;
  /** Everything has been put back. */
  release(): Promise<void>;
}

/**
 * Starts a guard in a process of its own, outside of our process group.
 *
 * @public
 */
export function startGuard(): Guard {
  const program = fileURLToPath(new URL("./guardian.js", import.meta.url));
  const child = spawn(process.execPath, [program], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  const { stdin } = child;
  stdin.on("error", () => {});
  child.unref();
  (stdin as { unref?: () => void }).unref?.();
  return {
    // What a pipe has taken survives the process that wrote it.
    update: (changed) =>
      new Promise((resolve) => stdin.write(`${JSON.stringify(changed)}\n`, () => resolve())),
    release: () => new Promise((resolve) => stdin.end(`${JSON.stringify(NOTHING)}\n`, () => resolve())),
  };
}

const NOTHING: ChangedSettings = { monitor: { socket: "" }, events: [], resume: false };

/**
 * Nobody: for callers who cannot be killed, such as tests.
 *
 * @public
 */
export const noGuard: Guard = { update: async () => {}, release: async () => {} };
