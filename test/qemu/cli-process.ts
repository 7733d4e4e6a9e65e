import { type ChildProcessByStdio, spawn } from "node:child_process";
import path from "node:path";
import type { Readable } from "node:stream";
import { until } from "./until.ts";

const MAIN = path.resolve(import.meta.dirname, "../../dist/program/main.js");

/** The command line as a process that runs on. */
export class CliProcess {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  stdout = "";
  stderr = "";
  readonly exit: Promise<{ status: number | null; signal: string | null }>;

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(process.execPath, [MAIN, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", ...env },
    });
    this.child.stdout.on("data", (chunk) => {
      this.stdout += String(chunk);
    });
    this.child.stderr.on("data", (chunk) => {
      this.stderr += String(chunk);
    });
    this.exit = new Promise((resolve) => {
      this.child.on("close", (status, signal) => resolve({ status, signal }));
    });
  }

  /** Lines of JSON printed so far. */
  // biome-ignore lint/suspicious/noExplicitAny: each kind of line has another shape
  get lines(): any[] {
    return this.stdout
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  async line(type: string): Promise<Record<string, never>> {
    await until(
      () => this.lines.some((line) => line.type === type),
      `"${type}" (${this.stdout}${this.stderr})`,
    );
    return this.lines.find((line) => line.type === type);
  }
}
