import { Readable } from "node:stream";
import { allCommands, runCommandLine } from "../../src/cli/command-line.ts";

export { allCommands };

/** What a run of the command line gave. */
export interface CliResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the compiled command line in this process, one call after the other: a process for each would take most of the
 * time. Tests of what a process does (signals, pipes, memory) start `dist/program/main.js`.
 */
export function cli(args: readonly string[], input: string | Uint8Array = ""): Promise<CliResult> {
  const result = running.then(() => run(args, input));
  running = result.catch(() => {});
  return result;
}

/** {@link cli} in another folder, for names of files that are printed. */
export function cliIn(folder: string, args: readonly string[]): Promise<CliResult> {
  const result = running.then(async () => {
    const here = process.cwd();
    process.chdir(folder);
    try {
      return await run(args, "");
    } finally {
      process.chdir(here);
    }
  });
  running = result.catch(() => {});
  return result;
}

/** A terminal as `isTTY` and `columns` tell of it, and what `PAGER` is there. */
export interface TestTerminal {
  readonly columns: number;
  readonly pager?: string;
}

/** Runs something as if standard output were a terminal of UTF-8, without a pager if none is named. */
export async function onTerminal<Result>(
  { columns, pager = "cat" }: TestTerminal,
  run: () => Promise<Result>,
): Promise<Result> {
  const { stdout, env } = process;
  const before = { isTTY: stdout.isTTY, columns: stdout.columns };
  const { PAGER, LC_ALL } = env;
  Object.assign(stdout, { isTTY: true, columns });
  Object.assign(env, { PAGER: pager, LC_ALL: "C.UTF-8" });
  try {
    return await run();
  } finally {
    Object.assign(stdout, before);
    for (const [name, value] of Object.entries({ PAGER, LC_ALL })) {
      if (value === undefined) delete env[name];
      else env[name] = value;
    }
  }
}

let running: Promise<unknown> = Promise.resolve();

async function run(args: readonly string[], input: string | Uint8Array): Promise<CliResult> {
  const [stdout, stderr] = [new Captured(process.stdout), new Captured(process.stderr)];
  const stdin = Object.getOwnPropertyDescriptor(process, "stdin")!;
  Object.defineProperty(process, "stdin", { ...stdin, get: () => Readable.from([Buffer.from(input)]) });
  try {
    const status = await runCommandLine(args);
    return { status, stdout: stdout.text, stderr: stderr.text };
  } finally {
    Object.defineProperty(process, "stdin", stdin);
    stdout.release();
    stderr.release();
  }
}

/** Takes what is written to a stream, until it is released. */
class Captured {
  readonly #chunks: string[] = [];
  readonly #stream: NodeJS.WriteStream;
  readonly #write: NodeJS.WriteStream["write"];

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#write = stream.write;
    stream.write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
      this.#chunks.push(typeof chunk === "string" ? chunk : Buffer.from(chunk).toString());
      const done = rest.at(-1);
      if (typeof done === "function") done();
      return true;
    };
  }

  get text(): string {
    return this.#chunks.join("");
  }

  release(): void {
    this.#stream.write = this.#write;
  }
}
