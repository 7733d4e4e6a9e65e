import type { ComponentChildren } from "preact";
import { counted } from "../../base/units.ts";
import { copyLink } from "./actions.ts";
import { ExportMenu } from "./export-menu.tsx";
import { Lazy } from "./lazy.tsx";
import { addressOf, ROOMS, type Room, room } from "./rooms.ts";
import { bench } from "./state.ts";
import { tour } from "./tours/tour.ts";
import { secondsText } from "./words.ts";

const loadTourPanel = async () => (await import("./tours/tour-panel.tsx")).TourPanel;

const ROOM_WORDS: Readonly<Record<Room, string>> = {
  recordings: "Recordings",
  script: "Script",
  replay: "Replay",
  tours: "Tours",
};

/** The rooms of the page; each keeps what it shows. */
function Rooms(): ComponentChildren {
  return (
    <nav class="rooms" aria-label="Views">
      {ROOMS.map((name) => (
        <a key={name} href={addressOf(name)} aria-current={room.value === name ? "page" : undefined}>
          {ROOM_WORDS[name]}
        </a>
      ))}
    </nav>
  );
}

/** Name, what is shown, and where in time. */
export function Header(): ComponentChildren {
  const file = bench.file.value;
  const summary = file?.summary;
  const { progress } = file ?? {};
  const isReading = file !== undefined && !file.isDone;
  const percent =
    progress === undefined ? 0 : Math.floor((100 * progress.bytes) / Math.max(1, progress.size));
  return (
    <header class="head">
      <h1>
        spapr-iommu <span class="dim">workbench</span>
      </h1>
      <Rooms />
      {file !== undefined && room.value === "recordings" && (
        <p class="facts">
          <strong>{file.name}</strong>
          {summary !== undefined && (
            <span>
              {counted(summary.events, "event")}, {summary.format}
              {Number.isFinite(summary.seconds) && `, ${secondsText(summary.seconds)}`}
            </span>
          )}
          {isReading && (
            <span class="reading">
              <progress value={percent} max={100} aria-label="read" /> reading {percent} %
              {progress !== undefined && `, ${(progress.bytesPerSecond / 2 ** 20).toFixed(0)} MiB/s`}
              <button type="button" onClick={() => bench.stop(file.number)}>
                stop here
              </button>
            </span>
          )}
        </p>
      )}
      <div class="tools">
        {summary !== undefined && room.value === "recordings" && (
          <button
            type="button"
            aria-keyshortcuts="/"
            onClick={() => {
              bench.isSearchOpen.value = true;
            }}
          >
            search <kbd>/</kbd>
          </button>
        )}
        {file?.isDone === true && file.error === undefined && room.value === "recordings" && (
          <>
            <button type="button" onClick={() => void copyLink(bench)}>
              copy link
            </button>
            <ExportMenu />
          </>
        )}
        <button
          type="button"
          aria-keyshortcuts="?"
          onClick={() => {
            bench.isHelpOpen.value = true;
          }}
        >
          keys <kbd>?</kbd>
        </button>
      </div>
      {tour.value !== undefined && <Lazy load={loadTourPanel} />}
    </header>
  );
}
