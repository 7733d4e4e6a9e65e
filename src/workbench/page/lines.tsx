import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { FileLine } from "../protocol.ts";
import { bench } from "./state.ts";
import { countText, secondsText, shown } from "./words.ts";

/** Lines before and after the playhead, and pixels of one, and of the bar above them. */
const [BEFORE, AFTER, LINE_HEIGHT, BAR_HEIGHT] = [1, 2, 17, 38];

/** The lines of the file around the playhead; those that prove the chosen finding are marked. */
export function Lines(): ComponentChildren {
  const lines = useSignal<readonly FileLine[]>([]);
  const seconds = useSignal(Number.NaN);
  const list = useRef<HTMLOListElement>(null);
  const file = bench.active.value;
  const event = bench.playhead.value;
  const events = bench.events.value;
  const { lines: size } = bench.sizes.value;
  const rows =
    size === undefined ? BEFORE + 1 + AFTER : Math.max(1, Math.floor((size - BAR_HEIGHT) / LINE_HEIGHT));
  const before = Math.floor((rows - 1) / 2);
  const after = rows - 1 - before;
  const hasLines = bench.summary.value?.hasLines === true;
  useLayoutEffect(() => {
    if (events === 0) return;
    const look = async (): Promise<void> => {
      const moment = await bench.client.moment("seconds", "secondsOf", file, { event });
      if (moment === undefined) return;
      seconds.value = moment.seconds;
      if (!hasLines) return;
      // The worker waits for the browser to give these bytes: what the pictures show of the moment goes first.
      const answer = await bench.client.newest("lines", "lines", file, { event, before, after });
      if (answer !== undefined) lines.value = answer;
    };
    look().catch(bench.failed(file));
  }, [file, event, hasLines, events > 0, before, after, lines, seconds]);
  const finding = bench.file.value?.findings.find(({ number }) => number === bench.finding.value);
  const proof = new Set(finding?.lines);
  const others = (finding?.events ?? []).slice(0, 12);
  return (
    <section class="region lines" aria-label="Lines of the file">
      <div class="bar">
        <h2>Lines</h2>
        <span class="dim">
          event {countText(event)} of {countText(events)}
          {Number.isFinite(seconds.value) && `, ${secondsText(seconds.value)}`}
        </span>
        {others.length > 1 && (
          <span class="proof">
            proof:{" "}
            {others.map((number, i) => (
              <button
                type="button"
                class="link"
                key={number}
                aria-pressed={number === event}
                onClick={() => void bench.reveal(number)}
              >
                line {finding!.lines[i]}
              </button>
            ))}
          </span>
        )}
      </div>
      {hasLines ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
        <ol class="text" ref={list} tabIndex={0}>
          {lines.value.map(({ line, event: number, text }) => (
            <li
              key={line}
              class={[number === event ? "now" : "", proof.has(line) ? "proof" : ""].join(" ")}
              aria-current={number === event ? "true" : undefined}
            >
              <span class="line-number">{line}</span>
              <span>{shown(text)}</span>
            </li>
          ))}
        </ol>
      ) : (
        <p class="empty">
          {(bench.summary.value?.notes ?? []).join("; ") || "This input has no lines: it is one moment."}
        </p>
      )}
    </section>
  );
}
