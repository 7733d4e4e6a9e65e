import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import { TerminalPicture } from "../../../scripts/terminal-picture.mjs";

/** A shell's word. */
const word = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** A program of Node on a terminal of its own, which `script` makes. */
export class PseudoTerminal {
  readonly #folder: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #size: { columns: number; rows: number };
  output = "";
  /** When the shell that runs it has ended. */
  readonly exit: Promise<void>;

  /** @param folder a new one, for what is noted meanwhile */
  constructor(folder: string, args: readonly string[], size = { columns: 80, rows: 24 }) {
    this.#folder = folder;
    this.#size = size;
    const note = (name: string): string => word(path.join(folder, name));
    const program = [process.execPath, ...args].map(word).join(" ");
    const command = [
      `stty rows ${size.rows} cols ${size.columns}`,
      `tty > ${note("tty")}`,
      `stty -g > ${note("before")}`,
      `sh -c 'echo $$ > "$0"; exec "$@"' ${note("pid")} ${program}`,
      `echo $? > ${note("status")}`,
      `stty -g > ${note("after")}`,
    ].join("; ");
    this.#child = spawn("script", ["-q", "-f", "-c", command, "/dev/null"], {
      stdio: ["pipe", "pipe", "ignore"],
      env: { ...process.env, SHELL: "/bin/sh", TERM: "xterm", LANG: "C.UTF-8", LC_ALL: "", NO_COLOR: "" },
    });
    this.#child.stdout.on("data", (chunk) => {
      this.output += String(chunk);
    });
    this.exit = new Promise((resolve) => this.#child.on("close", () => resolve()));
  }

  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  /** What it shows now. */
  get picture(): TerminalPicture {
    return new TerminalPicture(this.#size.columns, this.#size.rows).write(this.output);
  }

  /** Is the whole screen taken? */
  get isTaken(): boolean {
    return this.picture.modes.has("?1049");
  }

  resize(columns: number, rows: number): void {
    Object.assign(this.#size, { columns, rows });
    execFileSync("stty", ["-F", this.note("tty"), "cols", String(columns), "rows", String(rows)]);
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  get pid(): number {
    return Number(this.note("pid"));
  }

  note(name: string): string {
    return readFileSync(path.join(this.#folder, name), "utf8").trim();
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}
