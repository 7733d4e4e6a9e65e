import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { AddressView } from "./address-view.tsx";
import { Files, FirstScreen } from "./files.tsx";
import { Findings } from "./findings.tsx";
import { Header } from "./header.tsx";
import { Help } from "./help.tsx";
import { Lifetimes } from "./lifetimes-view.tsx";
import { Lines } from "./lines.tsx";
import { LiveView } from "./live-view.tsx";
import { SelectionPanel } from "./selection-panel.tsx";
import { liveSession } from "./served.ts";
import { bench } from "./state.ts";
import { Structure } from "./structure.tsx";
import { TimeView } from "./time-view.tsx";

/** Pictures of which a narrow screen shows one at a time. */
const TABS = ["Time", "Address", "Lifetimes", "Structure", "Selection"] as const;

type Tab = (typeof TABS)[number];

export function App(): ComponentChildren {
  const tab = useSignal<Tab>("Time");
  const session = liveSession.value;
  const hasFile = bench.file.value !== undefined;
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
      ) : session !== undefined ? (
        <LiveView session={session} />
      ) : (
        <main class="welcome">
          <FirstScreen />
        </main>
      )}
      <Help />
      <div class="said" role="status">
        {bench.said.value}
      </div>
    </div>
  );
}
