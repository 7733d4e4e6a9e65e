import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { lifePicture } from "../draw/life-lines.ts";
import { ROW_CELLS } from "../maths/heat-grid.ts";
import { type View, valueAt } from "../maths/view.ts";
import type { LifeLines } from "../protocol.ts";
import { CanvasRenderer } from "./canvas-renderer.ts";
import { Region, useScheme, useSize } from "./parts.tsx";
import { bench } from "./state.ts";
import { Playhead, SelectionMark } from "./time-view.tsx";
import { addressText, countText, secondsText } from "./words.ts";

const HEIGHT = 104;
/** Rows of the table. */
const MAX_ROWS = 200;

/** Mapping lifetimes: time to the right, bus addresses down. What nobody unmaps reaches the edge. */
export function Lifetimes(): ComponentChildren {
  const { ref, width } = useSize();
  const canvas = useRef<HTMLCanvasElement>(null);
  const renderer = useRef<CanvasRenderer>(undefined);
  const lines = useSignal<{ lines: LifeLines; time: View; pages: View } | undefined>(undefined);
  const isDark = useScheme();
  const view = bench.view.value;
  const axis = bench.axis.value;
  const space = bench.space.value;
  const events = bench.events.value;
  const file = bench.active.value;
  const pages = usePages();
  const columns = Math.max(1, Math.floor(width));
  const number = space?.number ?? -1;

  useEffect(() => {
    if (events === 0 || width === 0 || number < 0) return;
    const ask = {
      space: number,
      axis,
      from: view.from,
      to: view.to,
      first: pages.from,
      end: pages.to,
      columns,
      height: HEIGHT,
    };
    bench.client
      .newest("lives", "lives", file, ask)
      .then((answer) => {
        if (answer !== undefined) lines.value = { lines: answer, time: view, pages };
      })
      .catch(bench.failed(file));
  }, [file, axis, number, view.from, view.to, pages.from, pages.to, columns, events, width, lines]);

  const shown = lines.value;
  useEffect(() => {
    if (shown === undefined || canvas.current === null || width === 0) return;
    renderer.current ??= new CanvasRenderer(canvas.current);
    renderer.current.draw(lifePicture(shown.lines, shown.time, shown.pages, { width, height: HEIGHT }));
  }, [shown, width, isDark]);

  const alive = shown === undefined ? 0 : aliveOf(shown.lines);
  return (
    <Region
      name="Lifetimes"
      class="lifetimes"
      tools={
        <span class="legend">
          <span class="key life">unmapped</span>
          <span class="key alive">still mapped at the end</span>
          <span class="key before">mapped before the recording</span>
        </span>
      }
    >
      <div
        class="canvas-box"
        ref={ref}
        onPointerUp={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          void bench
            .eventOf(valueAt(view, width, event.clientX - box.left))
            .then((at) => bench.go(at))
            .catch(bench.failed(file));
          bench.revealPage(Math.floor(valueAt(pages, HEIGHT, event.clientY - box.top)));
        }}
      >
        <canvas ref={canvas} style={{ width: "100%", height: `${HEIGHT}px` }} />
        <SelectionMark width={width} />
        <Playhead width={width} />
        {shown?.lines.count === 0 && <p class="empty over">Nothing was mapped here.</p>}
      </div>
      {shown !== undefined && (
        <div class="foot">
          <span class="dim">
            {countText(shown.lines.all)} mappings of {space?.name ?? ""}, {countText(alive)} do not end
          </span>
          <LifeTable {...shown} />
        </div>
      )}
    </Region>
  );
}

/** The pages that the heat map shows: both pictures have the same ones. */
function usePages(): View {
  const space = bench.space.value;
  const heat = bench.heatView.value;
  if (space === undefined) return { from: 0, to: 1 };
  if (heat === undefined) return { from: 0, to: space.pages };
  const end = heat.first + bench.heatRows.value * ROW_CELLS * 2 ** heat.shift;
  return { from: heat.first, to: Math.min(space.pages, end) };
}

const aliveOf = ({ ends, counts, count }: LifeLines): number => {
  let alive = 0;
  for (let i = 0; i < count; i++) if (ends[i] === Number.POSITIVE_INFINITY) alive += counts[i]!;
  return alive;
};

function LifeTable({ lines }: { readonly lines: LifeLines }): ComponentChildren {
  const space = bench.space.value;
  const isTime = bench.axis.value === "time";
  if (space === undefined) return null;
  const text = (at: number, none: string): string =>
    Number.isFinite(at) ? (isTime ? secondsText(at) : countText(at)) : none;
  const rows = Math.min(MAX_ROWS, lines.count);
  return (
    <details class="table">
      <summary>table</summary>
      <table>
        <thead>
          <tr>
            <th scope="col">bus address</th>
            <th scope="col">pages</th>
            <th scope="col">mapped at {isTime ? "time" : "event"}</th>
            <th scope="col">unmapped at {isTime ? "time" : "event"}</th>
            <th scope="col">mappings</th>
          </tr>
        </thead>
        <tbody>
          {Array.from({ length: rows }, (_, i) => {
            const address = space.start + (BigInt(lines.firsts[i]!) << BigInt(space.pageShift));
            return (
              <tr key={`${address} ${lines.starts[i]} ${lines.ends[i]}`}>
                <td class="address">{addressText(BigInt.asUintN(64, address))}</td>
                <td>{countText(lines.pages[i]!)}</td>
                <td>{text(lines.starts[i]!, "before the recording")}</td>
                <td>{text(lines.ends[i]!, "never")}</td>
                <td>{countText(lines.counts[i]!)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {lines.count > rows && <p class="dim">and {countText(lines.count - rows)} more: zoom in</p>}
    </details>
  );
}
