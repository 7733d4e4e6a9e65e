import { effect, type Signal, signal } from "@preact/signals";
import { packText, unpackText } from "../../maths/packed-text.ts";
import { SAMPLE_SCRIPTS, textOfSample } from "../../sample-scripts.ts";
import type { ScriptMachine, ScriptMistake, ScriptStep, StageMessage } from "../../stage-protocol.ts";
import { room, writeAddress } from "../rooms.ts";
import { StageClient } from "../stage-client.ts";

/** Characters of a script that stand in an address as they are; a longer one is packed. */
const PLAIN_LENGTH = 300;
/** Characters of an address; a longer script is given on as a file. */
const MAX_ADDRESS = 60_000;
/** Bytes that a packed script may become: what the pad takes. */
const MAX_BYTES = 2 ** 20;
/** Milliseconds that one operation may take. */
const OPERATION_MS = 12_000;
/** Milliseconds until one sees which line runs: most are over by then. */
const SHOW_MS = 200;
/** Milliseconds after the last key before the address changes. */
const WRITE_MS = 400;

/** A script that runs, or ran. */
export interface Run {
  readonly isRunning: boolean;
  readonly steps: readonly ScriptStep[];
  /** Operations of the script; 0 as long as nobody knows. */
  readonly operations: number;
  readonly mistake: ScriptMistake | undefined;
  /** The line that runs. */
  readonly at?: number | undefined;
  /** What ran. */
  readonly text: string;
  readonly machine: ScriptMachine;
}

/** The script that is written, and what came of it. */
export class Pad {
  readonly text: Signal<string> = signal(textOfSample(SAMPLE_SCRIPTS[0]!));
  readonly machine: Signal<ScriptMachine> = signal({ accel: "tcg", device: false });
  readonly run: Signal<Run | undefined> = signal(undefined);
  /** Why the address does not have the script, or a script of an address is not here. */
  readonly note: Signal<string> = signal("");
  readonly #stage = new StageClient();
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  /** The line that runs, and when it is shown. */
  #at: number | undefined;
  #showing: ReturnType<typeof setTimeout> | undefined;
  /** Counts what is written into the address: a script that is being packed may be an old one. */
  #writing = 0;
  #wasWritten = "";

  constructor() {
    void this.#read().then(() => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      effect(() => {
        const [text, machine, isHere] = [this.text.value, this.machine.value, room.value === "script"];
        clearTimeout(timer);
        if (isHere) timer = setTimeout(() => void this.#write(text, machine), WRITE_MS);
      });
    });
    addEventListener("hashchange", () => void this.#read());
  }

  /** Runs the script; one that runs is ended. */
  start(): void {
    this.#stage.end();
    const text = this.text.value;
    const machine = this.machine.value;
    this.run.value = { isRunning: true, steps: [], operations: 0, mistake: undefined, text, machine };
    this.#at = undefined;
    this.#watch();
    this.#stage.ask({ ask: "run", text, machine }, (message) => this.#take(message));
  }

  stop(): void {
    this.#endRun("stopped here");
  }

  #take(message: StageMessage): void {
    const run = this.run.value;
    if (run === undefined) return;
    if (message.what === "at") {
      this.#at = message.line;
      this.#watch();
      this.#showing ??= setTimeout(() => this.#showLine(), SHOW_MS);
    } else if (message.what === "steps") {
      this.run.value = { ...run, steps: [...run.steps, ...message.steps] };
    } else if (message.what === "ran") {
      clearTimeout(this.#watchdog);
      const { operations, mistake } = message;
      this.run.value = { ...run, isRunning: false, operations, mistake };
    } else if (message.what === "failed") this.#endRun(message.message);
  }

  #showLine(): void {
    this.#showing = undefined;
    const run = this.run.value;
    if (run?.isRunning === true) this.run.value = { ...run, at: this.#at };
  }

  /** An operation that takes too long is ended with its worker. */
  #watch(): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => {
      const seconds = OPERATION_MS / 1000;
      this.#endRun(`it did not end within ${seconds} s, and was stopped`);
    }, OPERATION_MS);
  }

  #endRun(message: string): void {
    clearTimeout(this.#watchdog);
    this.#stage.end();
    const run = this.run.value;
    if (run?.isRunning !== true) return;
    this.run.value = { ...run, isRunning: false, mistake: { message, line: this.#at, column: undefined } };
  }

  async #write(text: string, { accel, device }: ScriptMachine): Promise<void> {
    const turn = ++this.#writing;
    const isLong = text.length > PLAIN_LENGTH;
    const value = isLong ? await packText(text) : text;
    if (turn !== this.#writing) return;
    const fits = value.length <= MAX_ADDRESS;
    this.note.value = fits ? "" : "the script is too long for an address: save it as a file";
    writeAddress("script", {
      ...(fits ? { [isLong ? "packed" : "script"]: value } : {}),
      ...(accel === "kvm" ? { on: "kvm" } : {}),
      ...(device ? { device: "1" } : {}),
    });
    if (room.value === "script") this.#wasWritten = location.hash;
  }

  /** Takes the script that the address has. */
  async #read(): Promise<void> {
    if (room.value !== "script" || location.hash === this.#wasWritten) return;
    const parts = new URLSearchParams(location.hash.slice(1));
    const packed = parts.get("packed");
    try {
      const text = packed === null ? parts.get("script") : await unpackText(packed, MAX_BYTES);
      if (text !== null) this.text.value = text;
      else if (!parts.has("on") && !parts.has("device")) return;
      this.machine.value = {
        accel: parts.get("on") === "kvm" ? "kvm" : "tcg",
        device: parts.get("device") === "1",
      };
      this.run.value = undefined;
    } catch (error) {
      this.note.value = `the address has no script that can be read: ${(error as Error).message}`;
    }
  }
}

export const pad: Pad = new Pad();
