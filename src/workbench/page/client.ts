import type { CallName, Calls, Message, MomentAsk, MomentCall, Request } from "../protocol.ts";
import { Traveller } from "../traveller.ts";

/** Messages that come without being asked for. */
export type Told = Extract<Message, { readonly what: "read" | "findings" }>;

interface Waiting {
  readonly call: CallName;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** A part of an ask for a moment, and who waits for it. */
interface Part {
  readonly file: number;
  readonly ask: MomentAsk;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Milliseconds of a frame. */
const FRAME_MS = 16;
/** Who needs longer than a frame rests so many times as long: it leaves the processors to what follows the playhead. */
const REST = 5;

const pause = (milliseconds?: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The page's end of the wire to its worker. */
export class Client {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  /** The newest ask of each picture, and the end of the one that is on its way. */
  readonly #newest = new Map<string, number>();
  readonly #busy = new Map<string, Promise<void>>();
  /** Pictures that took longer than a frame. */
  readonly #slow = new Set<string>();
  readonly #traveller = new Traveller({ now: () => performance.now(), wait: pause });
  #id = 0;

  constructor(onTold: (message: Told) => void) {
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<Message>) => {
      if (data.what === "read" || data.what === "findings") {
        onTold(data);
        return;
      }
      const waiting = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if (data.what === "answer") waiting?.resolve(data.value);
      else waiting?.reject(new Error(data.message));
    };
  }

  /** Asks the worker. */
  ask<Name extends CallName>(
    call: Name,
    file: number,
    ask: Calls[Name]["ask"],
  ): Promise<Calls[Name]["answer"]> {
    const id = ++this.#id;
    const request = { call, id, file, ...ask } as Request;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { call, resolve: resolve as (value: unknown) => void, reject });
      this.#worker.postMessage(request);
    });
  }

  /**
   * Asks for a picture: one ask at a time, and of those that came meanwhile only the newest. What follows the playhead goes
   * first. What ever took longer than a frame is not asked for again at once, and not before somebody who travels rests.
   *
   * @param picture who asks
   * @returns undefined if a newer ask came
   */
  async newest<Name extends CallName>(
    picture: string,
    call: Name,
    file: number,
    ask: Calls[Name]["ask"],
  ): Promise<Calls[Name]["answer"] | undefined> {
    const turn = (this.#newest.get(picture) ?? 0) + 1;
    this.#newest.set(picture, turn);
    await this.#busy.get(picture);
    // Who asks for a moment in this turn of the page may do so after this.
    await pause();
    await this.#moment;
    if (this.#slow.has(picture)) await this.#traveller.rest();
    if (this.#newest.get(picture) !== turn) return undefined;
    const asked = performance.now();
    const answer = this.ask(call, file, ask);
    const rest = async (): Promise<void> => {
      const took = performance.now() - asked;
      if (took <= FRAME_MS) return;
      this.#slow.add(picture);
      await pause(took * REST);
    };
    this.#busy.set(picture, answer.then(rest, rest));
    return await answer;
  }

  /**
   * Asks for a picture of the playhead: what is asked for in one turn of the page is one ask and one answer, so that all
   * of it is drawn in one frame. One such ask is on its way at a time, and of those that came meanwhile the newest of each
   * picture is the next.
   *
   * @param picture who asks
   * @returns undefined if a newer ask came before this one was on its way
   */
  moment<Name extends MomentCall>(
    picture: string,
    call: Name,
    file: number,
    ask: Calls[Name]["ask"],
  ): Promise<Calls[Name]["answer"] | undefined> {
    this.#traveller.at((ask as MomentAsk).event);
    return new Promise((resolve, reject) => {
      this.#wanted.get(picture)?.resolve(undefined);
      const part = { call, ...ask } as MomentAsk;
      this.#wanted.set(picture, { file, ask: part, resolve: resolve as (value: unknown) => void, reject });
      this.#moment ??= this.#askMoments();
    });
  }

  /** Parts of the next ask for a moment, by who asks. */
  readonly #wanted = new Map<string, Part>();
  /** Ends when the ask for a moment that is on its way, or about to be, is answered; undefined without one. */
  #moment: Promise<void> | undefined;

  async #askMoments(): Promise<void> {
    // Who else asks in this turn of the page goes with it.
    await pause();
    const parts = [...this.#wanted.values()];
    this.#wanted.clear();
    const files = new Set(parts.map(({ file }) => file));
    await Promise.all(
      Array.from(files, (file) =>
        this.#askMoment(
          file,
          parts.filter((part) => part.file === file),
        ),
      ),
    );
    this.#moment = this.#wanted.size > 0 ? this.#askMoments() : undefined;
  }

  async #askMoment(file: number, parts: readonly Part[]): Promise<void> {
    try {
      const answers = await this.ask("moment", file, { asks: parts.map(({ ask }) => ask) });
      for (const [i, answer] of answers.entries()) {
        if ("value" in answer) parts[i]!.resolve(answer.value);
        else parts[i]!.reject(new Error(answer.message));
      }
    } catch (error) {
      for (const { reject } of parts) reject(error as Error);
    }
  }
}
