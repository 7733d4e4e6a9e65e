import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo } from "preact/hooks";
import { minimapPicture } from "../draw/minimap-picture.ts";
import { rowsEnd } from "../maths/heat-rows.ts";
import type { HeatRows, Space } from "../protocol.ts";
import { usePicture } from "./pictures.ts";
import { bench } from "./state.ts";

const WIDTH = 14;

/** All of the space, what is mapped in it, and where in it the rows are that are shown. A click goes there. */
export function Minimap({
  space,
  rows,
  height,
}: {
  readonly space: Space;
  readonly rows: HeatRows;
  readonly height: number;
}): ComponentChildren {
  const mapped = useSignal<Float64Array | undefined>(undefined);
  const file = bench.active.value;
  const event = bench.playhead.value;
  const events = bench.events.value;
  const parts = Math.max(1, Math.floor(height));
  useLayoutEffect(() => {
    bench.client
      .moment("minimap", "minimap", file, { event, space: space.number, parts })
      .then((answer) => {
        if (answer !== undefined) mapped.value = answer.mapped;
      })
      .catch(bench.failed(file));
  }, [file, event, events, space.number, parts, mapped]);
  const picture = useMemo(
    () =>
      mapped.value === undefined
        ? undefined
        : minimapPicture(mapped.value, space.pages, { width: WIDTH, height: parts }),
    [mapped.value, space.pages, parts],
  );
  const canvas = usePicture("Minimap", picture);
  const placeOf = (page: number): number => (Math.min(page, space.pages) * parts) / space.pages;
  const top = Math.min(parts - 4, placeOf(rows.starts[0] ?? 0));
  const bottom = Math.max(top + 4, placeOf(rowsEnd(rows)));
  return (
    <div
      class="minimap"
      aria-hidden="true"
      onClick={(event) => {
        const { top: edge } = event.currentTarget.getBoundingClientRect();
        const first = Math.floor(((event.clientY - edge) * space.pages) / parts);
        bench.heatView.value = { first, shift: rows.shift, row: Math.floor(rows.starts.length / 2) };
      }}
    >
      <canvas ref={canvas} style={{ width: `${WIDTH}px`, height: `${parts}px` }} />
      <div class="minimap-view" style={{ top: `${top}px`, height: `${bottom - top}px` }} />
    </div>
  );
}
