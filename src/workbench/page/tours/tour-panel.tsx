import { useSignal, useSignalEffect } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { tour } from "./tour.ts";

/** Milliseconds for which a step says that it is done. */
const DONE_MS = 900;

/** The step of the tour that is being made. */
export function TourPanel(): ComponentChildren {
  const panel = useRef<HTMLElement>(null);
  const isDone = useSignal(false);
  // What is opened and closed on the page is no signal.
  const nudges = useSignal(0);
  const at = tour.value;
  const step = at?.tour.steps[at.step];
  useEffect(() => {
    panel.current?.focus();
    const nudge = (): void => {
      nudges.value++;
    };
    document.addEventListener("toggle", nudge, true);
    return () => document.removeEventListener("toggle", nudge, true);
  }, [at?.tour, nudges]);
  useSignalEffect(() => {
    nudges.value;
    const now = tour.value;
    isDone.value = now?.tour.steps[now.step]?.isDone() === true;
  });
  useEffect(() => {
    if (!isDone.value || at === undefined) return;
    const timer = setTimeout(() => {
      if (tour.value === at) tour.value = { tour: at.tour, step: at.step + 1 };
    }, DONE_MS);
    return () => clearTimeout(timer);
  }, [isDone.value, at]);
  useOutline(step?.at);
  if (at === undefined) return null;
  const { steps, title, end } = at.tour;
  return (
    <section class="tour" aria-label="Tour" tabIndex={-1} ref={panel} data-step={at.step}>
      <p class="tour-name">
        <strong>{title}</strong>{" "}
        <span class="dim">{step === undefined ? "done" : `${at.step + 1} of ${steps.length}`}</span>
      </p>
      <p class="tour-say" role="status">
        {isDone.value && <strong class="tour-done">Done. </strong>}
        {step === undefined ? end : step.say}
      </p>
      <div class="tour-tools">
        {step !== undefined && (
          <>
            <button type="button" onClick={() => show(step.at)}>
              show me
            </button>
            {step.help !== undefined && (
              <button type="button" onClick={step.help}>
                do it for me
              </button>
            )}
            <button
              type="button"
              onClick={() => {
                tour.value = { tour: at.tour, step: at.step + 1 };
              }}
            >
              skip
            </button>
          </>
        )}
        <button
          type="button"
          onClick={() => {
            tour.value = undefined;
          }}
        >
          end the tour
        </button>
      </div>
    </section>
  );
}

const FOCUSABLE = "button:not(:disabled), input, select, textarea, summary, a[href]";

/** Goes to a place of the page: to it, or to the first thing in it that takes keys. */
function show(place: string): void {
  const element = document.querySelector<HTMLElement>(place);
  if (element === null) return;
  const target = element.matches(FOCUSABLE) ? element : element.querySelector<HTMLElement>(FOCUSABLE);
  (target ?? element).focus();
  element.scrollIntoView({ block: "nearest" });
}

/** Outlines a place while it is the one; it may come later than its step. */
function useOutline(place: string | undefined): void {
  useEffect(() => {
    if (place === undefined) return;
    let outlined: Element | null = null;
    const outline = (): void => {
      const found = document.querySelector(place);
      if (found === outlined) return;
      outlined?.removeAttribute("data-toured");
      found?.setAttribute("data-toured", "");
      outlined = found;
    };
    outline();
    const observer = new MutationObserver(outline);
    observer.observe(document.body, { childList: true, subtree: true });
    return () => {
      observer.disconnect();
      outlined?.removeAttribute("data-toured");
    };
  }, [place]);
}
