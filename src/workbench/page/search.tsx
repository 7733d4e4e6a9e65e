import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Hit } from "../protocol.ts";
import { bench } from "./state.ts";
import { countText, shown } from "./words.ts";

const MAX_HITS = 50;

/** Looks for whatever a text can mean, and goes there. */
export function Search(): ComponentChildren {
  const dialog = useRef<HTMLDialogElement>(null);
  const hits = useSignal<{ readonly text: string; readonly hits: readonly Hit[] } | undefined>(undefined);
  const failure = useSignal("");
  const text = useSignal("");
  const isOpen = bench.isSearchOpen.value;
  const file = bench.active.value;
  useEffect(() => {
    if (isOpen && dialog.current?.open === false) dialog.current.showModal();
    else if (!isOpen) dialog.current?.close();
  }, [isOpen]);
  useEffect(() => {
    failure.value = "";
    if (!isOpen || text.value.trim() === "") {
      hits.value = undefined;
      return;
    }
    const ask = { text: text.value, event: bench.playhead.peek(), limit: MAX_HITS };
    bench.client
      .newest("search", "search", file, ask)
      .then((found) => {
        if (found !== undefined) hits.value = { text: ask.text, hits: found };
      })
      .catch((error: Error) => {
        failure.value = error.message;
      });
  }, [isOpen, text.value, file, hits, failure]);
  const choose = (hit: Hit): void => {
    bench.isSearchOpen.value = false;
    void bench.goToHit(hit);
  };
  const found = hits.value?.hits ?? [];
  return (
    <dialog
      ref={dialog}
      class="search"
      aria-label="Search"
      onClose={() => {
        bench.isSearchOpen.value = false;
      }}
      onKeyDown={(event) => {
        if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
        event.preventDefault();
        const places = [...event.currentTarget.querySelectorAll<HTMLElement>("input, .hit")];
        const at = places.indexOf(document.activeElement as HTMLElement);
        places[Math.max(0, Math.min(places.length - 1, at + (event.key === "ArrowDown" ? 1 : -1)))]?.focus();
      }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (found[0] !== undefined && hits.value?.text === text.value) choose(found[0]);
        }}
      >
        <label for="search-text">Search</label>
        <input
          id="search-text"
          autocomplete="off"
          spellcheck={false}
          placeholder="address, LIOBN, device, line 128, event name, any text"
          value={text.value}
          onInput={({ currentTarget }) => {
            text.value = currentTarget.value;
          }}
        />
      </form>
      {failure.value !== "" && (
        <p class="error" role="alert">
          {shown(failure.value)}
        </p>
      )}
      {hits.value !== undefined && (
        <>
          <p class="dim" role="status">
            {found.length === 0
              ? "Nothing of that is here."
              : `${found.length === MAX_HITS ? "The first " : ""}${countText(found.length)} found, from the playhead on`}
          </p>
          <ul class="hits">
            {found.map((hit) => (
              <li key={`${hit.what} ${hit.event} ${hit.text}`}>
                <button type="button" class="hit" onClick={() => choose(hit)}>
                  <span class="dim">{hit.what}</span> <span class="hit-text">{shown(hit.text)}</span>
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </dialog>
  );
}
