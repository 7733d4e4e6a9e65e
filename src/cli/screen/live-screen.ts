import type { Attached } from "../../live/attach-options.ts";
import type { FeedItem } from "../../live/live-feed.ts";
import type { LiveSnapshot } from "../../live/live-state.ts";
import { shown } from "../output.ts";
import { isAsciiLocale } from "../terminal.ts";
import { drawScreen, inAscii, type ScreenSize } from "./draw.ts";
import { FullScreen } from "./full-screen.ts";
import { FIRST_KEYS, type Key, type KeyState, pressKey, type ScrollLimits } from "./keys.ts";

/** A session of `attach` on the whole terminal. */
export class LiveScreen {
  readonly #screen = new FullScreen({
    draw: (size) => this.#draw(size),
    press: (key) => this.#press(key),
  });
  readonly #onQuit: () => void;
  readonly #isAscii: boolean;
  #attached: Attached | undefined;
  #last: LiveSnapshot | undefined;
  /** What is shown while {@link KeyState.isPaused}. */
  #held: LiveSnapshot | undefined;
  #isEnding = false;
  #keys: KeyState = FIRST_KEYS;
  #limits: ScrollLimits = { most: 0, page: 0 };

  /** @param onQuit called when the user wants it to end, each time */
  constructor(onQuit: () => void, isAscii: boolean = isAsciiLocale(process.env)) {
    this.#onQuit = onQuit;
    this.#isAscii = isAscii;
  }

  open(): void {
    this.#screen.open();
  }

  /** The terminal is as it was before. */
  close(): void {
    this.#screen.close();
  }

  take(item: FeedItem): void {
    if (item.type === "attached") this.#attached = item;
    else if (item.type !== "doubt") this.#last = item;
    this.#screen.update();
  }

  /** It was asked to end, and does so as soon as it can. */
  ends(): void {
    this.#isEnding = true;
    this.#screen.update();
  }

  #draw(size: ScreenSize): string[] {
    const { lines, limits } = drawScreen(
      {
        attached: this.#attached,
        snapshot: this.#keys.isPaused ? this.#held : this.#last,
        isEnding: this.#isEnding,
        keys: this.#keys,
      },
      size,
    );
    this.#limits = limits;
    return lines.map((line) => shown(this.#isAscii ? inAscii(line) : line));
  }

  #press(key: Key): void {
    if (key.text === "q" && !this.#keys.isTyping) {
      this.#onQuit();
      return;
    }
    const wasPaused = this.#keys.isPaused;
    this.#keys = pressKey(this.#keys, key, this.#limits);
    if (!wasPaused) this.#held = this.#last;
  }
}
