import type { CallName, Calls, Message, Request } from "../protocol.ts";

/** Messages that come without being asked for. */
export type Told = Extract<Message, { readonly what: "read" | "findings" }>;

interface Waiting {
  readonly call: CallName;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** The page's end of the wire to its worker. */
export class Client {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  /** The newest ask of each picture. */
  readonly #newest = new Map<string, number>();
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
   * Asks for a picture: one ask at a time, and of those that came meanwhile only the newest.
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
    await this.#idle(picture);
    if (this.#newest.get(picture) !== turn) return undefined;
    const answer = this.ask(call, file, ask);
    this.#busy.set(
      picture,
      answer.then(
        () => {},
        () => {},
      ),
    );
    const value = await answer;
    return value;
  }

  readonly #busy = new Map<string, Promise<void>>();

  async #idle(picture: string): Promise<void> {
    await this.#busy.get(picture);
  }
}
