import { useSignal } from "@preact/signals";
import type { ComponentChildren, ComponentType } from "preact";
import { AddressView } from "./address-view.tsx";
import { Files, FirstScreen } from "./files.tsx";
import { Findings } from "./findings.tsx";
import { Header } from "./header.tsx";
import { Help } from "./help.tsx";
import { Lazy } from "./lazy.tsx";
import { Lifetimes } from "./lifetimes-view.tsx";
import { Lines } from "./lines.tsx";
import { type Room, room } from "./rooms.ts";
import { SelectionPanel } from "./selection-panel.tsx";
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

export function App(): ComponentChildren {
  if (room.value === "recordings") return <Recordings />;
  return (
    <div class="app first">
      <Header />
      <main class="room">
        <Lazy key={room.value} load={LOADERS[room.value]} />
      </main>
      <Help />
      <Said />
    </div>
  );
}

function Recordings(): ComponentChildren {
  const tab = useSignal<Tab>("Time");
  const hasFile = bench.files.value.length > 0;
  return (
    <div class={hasFile ? "app" : "app first"} data-tab={tab.value}>
      <Header />
      {hasFile ? (
        <>
          <aside class="side">
            <Files />
            <Findings />
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
          </aside>
          <main class="pictures">
            <TimeView />
            <Lifetimes />
            <div class="lower">
              <AddressView />
              <SelectionPanel />
            </div>
            <Lines />
          </main>
        </>
      ) : (
        <main class="welcome">
          <FirstScreen />
        </main>
      )}
      <Help />
      <Said />
    </div>
  );
}

/** What was said last. */
const Said = (): ComponentChildren => (
  <div class="said" role="status">
    {bench.said.value}
  </div>
);
