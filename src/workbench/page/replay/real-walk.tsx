import type { ComponentChildren } from "preact";
import { hex64 } from "../../../base/u64.ts";
import type { Story } from "../../stage-protocol.ts";
import { countText } from "../words.ts";
import { theatre } from "./theatre-state.ts";
import { clockText } from "./theatre-words.ts";

/** The generic replay of this very window, done by the engine while one watches: no step is left out. */
export function RealWalk({ story }: { readonly story: Story }): ComponentChildren {
  const walk = theatre.walk.value;
  const { steps = 0, notifications = 0, complete = false } = walk?.report ?? {};
  const seconds = walk?.seconds ?? 0;
  const nanoseconds = steps === 0 ? 0 : (seconds * 1e9) / steps;
  const left = ((story.entries - steps) * nanoseconds) / 1e9;
  const address = BigInt.asUintN(64, story.start + (BigInt(steps) << BigInt(story.pageShift)));
  return (
    <section class="real-walk" aria-label="Real walk">
      <h3>Walk it here, for real</h3>
      <div class="run-row">
        {walk?.isWalking === true ? (
          <button type="button" onClick={() => theatre.pauseWalk()}>
            pause
          </button>
        ) : (
          <button type="button" disabled={complete} onClick={() => theatre.walkOn()}>
            {steps === 0 ? "walk" : "walk on"}
          </button>
        )}
        <button
          type="button"
          disabled={complete || walk?.isWalking === true}
          onClick={() => theatre.walkOn(1)}
        >
          one piece
        </button>
        <progress value={steps} max={story.entries} aria-label="TCEs walked" />
        <span>
          {countText(steps)} of {countText(story.entries)} TCEs, {countText(notifications)} mapped
        </span>
        {steps > 0 && (
          <span class="dim">
            {nanoseconds.toFixed(0)} ns each in this browser,{" "}
            {complete
              ? `${clockText(seconds)} in all`
              : `${clockText(seconds)} so far, some ${clockText(left)} more; next is ${hex64(address)}`}
          </span>
        )}
      </div>
      {complete && (
        <p class="dim" role="status">
          {steps === story.entries && notifications === story.acts[0]!.notifications
            ? "The engine's walk took as many steps, and found as many mappings, as the story above counts."
            : "The engine's walk differs from what the story above counts."}
        </p>
      )}
    </section>
  );
}
