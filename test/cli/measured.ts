import { execFile, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { cli } from "./cli.ts";

const DIST = path.resolve(import.meta.dirname, "../../dist");
const MAIN = path.join(DIST, "program/main.js");
/** Tells, as the last line, what the process took: memory at most in KiB, and time of processors in microseconds. */
const USAGE = `import { peakKib } from "${pathToFileURL(path.join(import.meta.dirname, "peak.mjs"))}";
process.on("exit", () => {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  console.error("usage", peakKib(), userCPUTime + systemCPUTime);
})`;
/** A shell of somebody else: without what the tests themselves run faster with. */
const ENVIRONMENT = { ...process.env, NO_COLOR: "1", GLIBC_TUNABLES: "" };
/** Output that is kept. */
const KEPT = 1_000_000;

/** What a run of the command line gave, and took. */
export interface Measured {
  readonly status: number;
  /** The first million characters. */
  readonly stdout: string;
  readonly stderr: string;
  readonly peakMib: number;
  /** Time of processors, which does not depend on what else runs. */
  readonly cpuSeconds: number;
}

export interface MeasuredOptions {
  /** A file that is piped into it. */
  readonly input?: string;
  /** Close its output behind the first million characters, as `head` does. */
  readonly closes?: boolean;
}

/** Runs the compiled command line. */
export function measured(args: readonly string[], options: MeasuredOptions = {}): Promise<Measured> {
  return new Promise((resolve) => {
    const input = options.input === undefined ? "ignore" : openSync(options.input, "r");
    const child = spawn(
      process.execPath,
      ["--import", `data:text/javascript,${encodeURIComponent(USAGE)}`, MAIN, ...args],
      { stdio: [input, "pipe", "pipe"], env: ENVIRONMENT },
    );
    let stdout = "";
    let stderr = "";
    child.stdout!.on("data", (chunk) => {
      if (stdout.length < KEPT) stdout += chunk;
      else if (options.closes === true) child.stdout!.destroy();
    });
    child.stderr!.on("data", (chunk) => {
      stderr += chunk;
    });
    child.on("close", (status) => {
      if (typeof input === "number") closeSync(input);
      const [, kib, microseconds] = /usage (\d+) (\d+)/.exec(stderr) ?? [];
      resolve({
        status: status ?? -1,
        stdout,
        stderr,
        peakMib: Number(kib) / 1024,
        cpuSeconds: Number(microseconds) / 1e6,
      });
    });
  });
}

/** What one of several command lines gave. */
export interface CommandRun {
  readonly status: number;
  /** Standard output and standard error. */
  readonly output: string;
  readonly cpuSeconds: number;
}

/**
 * Runs command lines one after the other in the process of the tests, which knows the program by heart. What they take of
 * memory cannot be told there.
 */
export async function commandLinesHere(
  lines: readonly (readonly string[])[],
): Promise<readonly CommandRun[]> {
  const runs: CommandRun[] = [];
  for (const args of lines) {
    const before = process.cpuUsage();
    const { status, stdout, stderr } = await cli(args);
    const { user, system } = process.cpuUsage(before);
    runs.push({ status, output: stdout + stderr, cpuSeconds: (user + system) / 1e6 });
  }
  return runs;
}

/** Runs command lines one after the other in one process of their own. */
export async function commandLines(
  lines: readonly (readonly string[])[],
): Promise<{ readonly runs: readonly CommandRun[]; readonly peakMib: number }> {
  const driver = path.join(import.meta.dirname, "command-lines.mjs");
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [driver, path.join(DIST, "cli/command-line.js"), JSON.stringify(lines)],
    {
      maxBuffer: 2 ** 26,
      env: ENVIRONMENT,
    },
  );
  return JSON.parse(stdout);
}
