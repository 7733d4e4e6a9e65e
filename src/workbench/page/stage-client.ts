import type { StageMessage, StageRequest } from "../stage-protocol.ts";

type Ask = StageRequest extends infer One ? (One extends StageRequest ? Omit<One, "id"> : never) : never;

/**
 * The page's end of the wire to a worker of its own that runs something on the engine. It does one thing at a time, and
 * {@link end} ends it in the middle of anything.
 */
export class StageClient {
  #worker: Worker | undefined;
  #id = 0;

  /** Asks; messages that answer this ask are taken until there is another ask, or the end. */
  ask(ask: Ask, take: (message: StageMessage) => void): void {
    const id = ++this.#id;
    this.#worker ??= new Worker(new URL("./stage-worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<StageMessage>) => {
      if (data.id === id) take(data);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.end();
      take({ what: "failed", id, message: event.message || "the worker ended" });
    };
    this.#worker.postMessage({ ...ask, id });
  }

  end(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#id++;
  }
}
