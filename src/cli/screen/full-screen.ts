import process from "node:process";
import { emitKeypressEvents, type Key as ReadlineKey } from "node:readline";
import type { ReadStream, WriteStream } from "node:tty";
import type { ScreenSize } from "./draw.ts";
import type { Key } from "./keys.ts";

/** Time between two drawings, in milliseconds: nobody reads faster. */
const REDRAW_MS = 200;

/** The other screen, no cursor, lines that are not continued; and back. */
const ENTER = "\u001b[?1049h\u001b[?25l\u001b[?7l";
const LEAVE = "\u001b[?7h\u001b[?25h\u001b[?1049l";
const CLEAR = "\u001b[2J";
const TO_LINE_END = "\u001b[K";

/** What terminals do in raw mode no longer: signals by keys. Those of a terminal go to all processes of the job. */
const SIGNAL_KEYS: Readonly<Record<string, readonly [NodeJS.Signals, pid: number]>> = {
  c: ["SIGINT", process.pid],
  z: ["SIGTSTP", 0],
  "\\": ["SIGQUIT", 0],
};

/** What a screen is for. */
export interface ScreenUser {
  /** Lines that a terminal can only show. */
  readonly draw: (size: ScreenSize) => readonly string[];
  readonly press: (key: Key) => void;
}

/**
 * A terminal that is drawn on as a whole. However the process ends or stops, but for SIGKILL and SIGSTOP, its
 * terminal is as it was before; when it goes on, the screen is taken again.
 */
export class FullScreen {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #user: ScreenUser;
  /** Lines on the screen. */
  #lines: readonly string[] = [];
  #isEntered = false;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  readonly #handlers: readonly [string, (...args: never[]) => void][] = [
    ["exit", () => this.#leave()],
    // What is printed of it must stay on the terminal.
    ["uncaughtExceptionMonitor", () => this.#leave()],
    ["SIGTSTP", () => this.#stop()],
    ["SIGCONT", () => this.#enter()],
    ["SIGQUIT", () => this.#quit()],
  ];

  constructor(user: ScreenUser, input: ReadStream = process.stdin, output: WriteStream = process.stdout) {
    this.#user = user;
    this.#input = input;
    this.#output = output;
  }

  open(): void {
    for (const [name, handle] of this.#handlers) process.on(name, handle as () => void);
    this.#output.on("resize", this.#resize);
    if (this.#input.isTTY) {
      emitKeypressEvents(this.#input);
      this.#input.on("keypress", this.#press);
    }
    this.#enter();
  }

  close(): void {
    for (const [name, handle] of this.#handlers) process.off(name, handle as () => void);
    this.#output.off("resize", this.#resize);
    this.#input.off("keypress", this.#press);
    this.#leave();
  }

  /** There is something new to draw; it is drawn soon. */
  update(): void {
    if (!this.#isEntered || this.#timer !== undefined) return;
    const wait = this.#drawnAt + REDRAW_MS - performance.now();
    this.#timer = setTimeout(() => this.#draw(), Math.max(0, wait));
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // What the terminal has not taken yet is not added to.
    if (!this.#isEntered || this.#output.writableNeedDrain) return;
    this.#drawnAt = performance.now();
    const { columns, rows } = this.#output;
    // A terminal that does not know its size says 0.
    const lines = this.#user.draw({ columns: columns || 80, rows: rows || 24 });
    const changed = Array.from({ length: Math.max(lines.length, this.#lines.length) }, (_, i) => i)
      .filter((i) => lines[i] !== this.#lines[i])
      .map((i) => `\u001b[${i + 1};1H${lines[i] ?? ""}${TO_LINE_END}`);
    this.#lines = lines;
    if (changed.length > 0) this.#output.write(changed.join(""));
  }

  readonly #resize = (): void => {
    this.#clear();
    this.#draw();
  };

  #clear(): void {
    this.#lines = [];
    if (this.#isEntered) this.#output.write(CLEAR);
  }

  readonly #press = (text: string | undefined, { name, ctrl, sequence }: ReadlineKey): void => {
    const signal = ctrl === true ? SIGNAL_KEYS[name ?? ""] : undefined;
    if (signal !== undefined) process.kill(signal[1], signal[0]);
    else if (sequence === "\u001c") process.kill(0, "SIGQUIT");
    else this.#user.press({ name, ctrl, text: text ?? "" });
    this.update();
  };

  #enter(): void {
    this.#isEntered = true;
    if (this.#input.isTTY) {
      // Who stopped us may have changed it, and what was set is not set again.
      this.#input.setRawMode(false);
      this.#input.setRawMode(true);
      this.#input.resume();
    }
    this.#output.write(ENTER);
    this.#clear();
    this.#draw();
  }

  #leave(): void {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#output.write(LEAVE);
    if (!this.#input.isTTY) return;
    this.#input.setRawMode(false);
    this.#input.pause();
  }

  #stop(): void {
    this.#leave();
    process.kill(process.pid, "SIGSTOP");
  }

  #quit(): void {
    this.close();
    process.kill(process.pid, "SIGQUIT");
  }
}
