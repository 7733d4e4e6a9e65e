import { useSignal } from "@preact/signals";
import type { ComponentChildren, ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { CELL_HEIGHT } from "../draw/heat-picture.ts";
import { AddressView } from "./address-view.tsx";
import { isOver } from "./drop.ts";
import { Files, FirstScreen } from "./files.tsx";
import { Findings } from "./findings.tsx";
import { Header } from "./header.tsx";
import { Help } from "./help.tsx";
import { Lazy } from "./lazy.tsx";
import { Lifetimes } from "./lifetimes-view.tsx";
import { Lines } from "./lines.tsx";
import { LiveView } from "./live-view.tsx";
import { useSize } from "./parts.tsx";
import { type Room, room } from "./rooms.ts";
import { Search } from "./search.tsx";
import { SelectionPanel } from "./selection-panel.tsx";
import { liveSession } from "./served.ts";
import { Splitter } from "./splitter.tsx";
import { bench } from "./state.ts";
import { Structure } from "./structure.tsx";
import { TimeView } from "./time-view.tsx";

/** Pictures of which a narrow screen shows one at a time. */
const TABS = ["Time", "Address", "Lifetimes", "Structure", "Selection"] as const;

type Tab = (typeof TABS)[number];

/** Rooms that are loaded when somebody enters them. */
const LOADERS: Readonly<Record<Exclude<Room, "recordings">, () => Promise<ComponentType>>> = {
  script: async () => (await import("./script/script-pad.tsx")).ScriptPad,
  replay: async () => (await import("./replay/theatre.tsx")).Theatre,
  tours: async () => (await import("./tours/tour-list.tsx")).TourList,
};

/** Rows of the heat map in a panel of so many pixels: what is left of bars and of a third for the table. */
function rowsFor(width: number, height: number): number {
  // Where panels stand one below the other, they are as high as what is in them.
  if (width < 600) return 16;
  return Math.max(4, Math.min(32, Math.floor((height * 0.66 - 76) / CELL_HEIGHT)));
}

export function App(): ComponentChildren {
  if (room.value === "recordings") return <Recordings />;
  return (
    <div class="app first">
      <Header />
      <main class="room">
        <Lazy key={room.value} load={LOADERS[room.value]} />
      </main>
      <Help />
      <DropHere />
      <Said />
    </div>
  );
}

function Recordings(): ComponentChildren {
  const tab = useSignal<Tab>("Time");
  const session = liveSession.value;
  const sizes = Object.fromEntries(
    Object.entries(bench.sizes.value).map(([name, size]) => [`--${name}`, `${size}px`]),
  );
  const lower = useSize();
  useEffect(() => {
    bench.heatRows.value = rowsFor(lower.width, lower.height);
  }, [lower.width, lower.height]);
  const hasFile = bench.file.value !== undefined;
  return (
    <div class={hasFile ? "app" : "app first"} data-tab={tab.value} style={sizes}>
      <Header />
      {hasFile ? (
        <>
          <aside class="side">
            <Files />
            <Findings />
            <Splitter panel="findings" label="Findings" />
            <nav class="tabs" aria-label="Pictures">
              {TABS.map((name) => (
                <button
                  type="button"
                  key={name}
                  aria-pressed={tab.value === name}
                  onClick={() => {
                    tab.value = name;
                  }}
                >
                  {name}
                </button>
              ))}
            </nav>
            <Structure />
            <Splitter panel="side" label="Findings and Structure" across inside />
          </aside>
          <main class="pictures">
            <TimeView />
            <Splitter panel="time" label="Time" />
            <Lifetimes />
            <Splitter panel="lives" label="Lifetimes" />
            <div class="lower" ref={lower.ref}>
              <AddressView />
              <Splitter panel="selection" label="Selection" across after />
              <SelectionPanel />
            </div>
            <Splitter panel="lines" label="Lines" after />
            <Lines />
          </main>
        </>
      ) : session !== undefined ? (
        <LiveView session={session} />
      ) : (
        <main class="welcome">
          <FirstScreen />
        </main>
      )}
      <Help />
      <Search />
      {hasFile && <DropHere />}
      <Said />
    </div>
  );
}

/** Says that what is held over the page can be dropped. */
const DropHere = (): ComponentChildren =>
  isOver.value && <div class="drop-here">Drop to open beside what is open</div>;

/** What was said last. */
const Said = (): ComponentChildren => (
  <div class="said" role="status">
    {bench.said.value}
  </div>
);
