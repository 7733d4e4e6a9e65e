import type { ServerResponse } from "node:http";
import type { LiveItem } from "../../workbench/served.ts";

/** Pages that can follow one session. */
const MAX_LISTENERS = 16;
/** How long what is told at the end may take to be sent. */
const LAST_WORDS_MS = 500;

/** Tells a session to any number of pages, by server-sent events. None of them is waited for. */
export class LiveStream {
  readonly #listeners = new Set<Listener>();
  #attached: LiveItem | undefined;
  #last: LiveItem | undefined;

  take(item: LiveItem): void {
    if (item.type === "attached") this.#attached = item;
    else if (item.type !== "doubt") this.#last = item;
    for (const listener of this.#listeners) listener.tell(item);
  }

  /**
   * Tells a page all that is known, and what comes from now on.
   *
   * @returns false if there are too many
   */
  add(response: ServerResponse): boolean {
    if (this.#listeners.size >= MAX_LISTENERS) return false;
    const listener = new Listener(response);
    this.#listeners.add(listener);
    response.on("close", () => this.#listeners.delete(listener));
    response.flushHeaders();
    for (const item of [this.#attached, this.#last]) if (item !== undefined) listener.tell(item);
    return true;
  }

  /** Nothing follows. Resolves when all pages were told, or after some time: one that does not read is not waited for. */
  async end(): Promise<void> {
    const limit = new Promise<void>((resolve) => setTimeout(resolve, LAST_WORDS_MS).unref());
    await Promise.race([Promise.all([...this.#listeners].map((listener) => listener.end())), limit]);
  }
}

/**
 * One page. What waits for it is one state at most: as each replaces those before it, those that it was too slow for are
 * left out, and it is told how many. A doubt is in the next state, too.
 */
class Listener {
  readonly #response: ServerResponse;
  #isFull = false;
  #waiting: LiveItem | undefined;
  #dropped = 0;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.on("drain", () => {
      this.#isFull = false;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting !== undefined) this.tell(waiting);
    });
  }

  tell(item: LiveItem): void {
    if (!this.#isFull) {
      this.#isFull = !this.#write(item);
      return;
    }
    if (item.type === "doubt") return;
    if (this.#waiting !== undefined) this.#dropped++;
    this.#waiting = item;
  }

  end(): Promise<void> {
    const response = this.#response;
    if (this.#waiting !== undefined) this.#write(this.#waiting);
    return new Promise((resolve) => {
      response.on("close", resolve);
      response.end(resolve);
    });
  }

  /** @returns false if it should not be told more for now */
  #write(item: LiveItem): boolean {
    return this.#response.write(`data: ${JSON.stringify({ item, dropped: this.#dropped })}\n\n`);
  }
}
