import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import type { Writable } from "node:stream";
import { onInterrupt } from "./interrupt.ts";

/** The pager if the user names none; the options that make it end by itself when all fits, and show colours. */
const DEFAULT = { command: "less", options: "FRX" };

/** What to run: `$PAGER`, else less; undefined if the user wants none, or it is not installed. */
function pagerCommand(): string | undefined {
  const command = (process.env.PAGER ?? DEFAULT.command).trim();
  const [program] = command.split(/\s/);
  if (command === "" || command === "cat") return undefined;
  const { status } = spawnSync("sh", ["-c", 'command -v "$1"', "sh", program!], { stdio: "ignore" });
  return status === 0 ? command : undefined;
}

/** Shows text on the terminal page by page. It begins with the first text. */
export class Pager {
  readonly #command: string;
  readonly #onGone: () => void;
  #child: ChildProcessByStdio<Writable, null, null> | undefined;
  #isDone = false;

  /** @param onGone called if its user ends it before all is written */
  private constructor(command: string, onGone: () => void) {
    this.#command = command;
    this.#onGone = onGone;
  }

  /** A pager, if there is one. */
  static find(onGone: () => void): Pager | undefined {
    const command = pagerCommand();
    return command === undefined ? undefined : new Pager(command, onGone);
  }

  /** Is it on the terminal now? */
  get isShown(): boolean {
    return this.#child !== undefined;
  }

  write(text: string, done: (error?: Error | null) => void): void {
    this.#child ??= this.#start();
    this.#child.stdin.write(text, done);
  }

  /** Waits until its user has seen enough. */
  async end(): Promise<void> {
    this.#isDone = true;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.stdin.end();
    await once(child, "close");
  }

  #start(): ChildProcessByStdio<Writable, null, null> {
    const child = spawn("sh", ["-c", this.#command], {
      env: { ...process.env, LESS: process.env.LESS ?? DEFAULT.options },
      stdio: ["pipe", "inherit", "inherit"],
    });
    child.stdin.on("error", this.#onGone);
    // The terminal is the pager's: whoever ends us first waits for it, or both would read the keyboard's next line.
    const stopListening = onInterrupt((signal) => {
      if (this.#isDone) return;
      child.stdin.end();
      child.once("close", () => process.kill(process.pid, signal));
    });
    child.once("close", stopListening);
    return child;
  }
}
