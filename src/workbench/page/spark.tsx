import { signal, useSignalEffect } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { sparkPath } from "../draw/spark-line.ts";
import type { Lanes } from "../protocol.ts";
import { bench } from "./state.ts";

const [COLUMNS, HEIGHT] = [120, 12];

const lanes = signal<Lanes | undefined>(undefined);

/** Asks once for all lanes. */
export function useSparks(): void {
  useSignalEffect(() => {
    const file = bench.active.value;
    const to = bench.events.value;
    if (to === 0) return;
    bench.client
      .newest("sparks", "lanes", file, { axis: "event", from: 0, to, columns: COLUMNS })
      .then((answer) => {
        if (answer !== undefined && bench.active.peek() === file) lanes.value = answer;
      })
      .catch(bench.failed(file));
  });
}

/** How much of a space was mapped over the whole recording, and where the playhead is in that. */
export function Spark({ lane }: { readonly lane: number }): ComponentChildren {
  const events = bench.events.value;
  if (lanes.value === undefined || events < 2) return null;
  const at = (bench.playhead.value * COLUMNS) / (events - 1);
  return (
    <svg class="spark" viewBox={`0 0 ${COLUMNS} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={sparkPath(lanes.value, lane, HEIGHT)} />
      <line x1={at} x2={at} y1={0} y2={HEIGHT} />
    </svg>
  );
}
