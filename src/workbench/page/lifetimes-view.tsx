import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo } from "preact/hooks";
import { hex64 } from "../../base/u64.ts";
import { lifePicture } from "../draw/life-lines.ts";
import { lifeWords } from "../life-words.ts";
import { pageAtPlace, placeOfPage } from "../maths/heat-rows.ts";
import { type View, valueAt } from "../maths/view.ts";
import type { HeatRows, LifeLines } from "../protocol.ts";
import { brush } from "./brush.ts";
import { Region, useSize } from "./parts.tsx";
import { usePicture } from "./pictures.ts";
import { bench } from "./state.ts";
import { TableDetails } from "./table-details.tsx";
import { goTo, Playhead, SelectionMark } from "./time-view.tsx";
import { countText, shown as printable, secondsText } from "./words.ts";

const HEIGHT = 104;
/** Pixels of its panel that are not the picture. */
const AROUND = 56;
/** Rows of the table. */
const MAX_ROWS = 200;

/** Mapping lifetimes: time to the right, bus addresses down. What nobody unmaps reaches the edge. */
export function Lifetimes(): ComponentChildren {
  const { ref, width } = useSize();
  const lines = useSignal<{ lines: LifeLines; time: View; rows: HeatRows } | undefined>(undefined);
  const view = bench.view.value;
  const axis = bench.axis.value;
  const space = bench.space.value;
  const events = bench.events.value;
  const file = bench.active.value;
  const { lives: size } = bench.sizes.value;
  const height = size === undefined ? HEIGHT : Math.max(24, size - AROUND);
  const columns = Math.max(1, Math.floor(width));
  const number = space?.number ?? -1;
  const rows = bench.rows.value?.space === number ? bench.rows.value : undefined;

  useLayoutEffect(() => {
    if (events === 0 || width === 0 || number < 0 || rows === undefined) return;
    const ask = {
      space: number,
      axis,
      from: view.from,
      to: view.to,
      rows,
      columns,
      height,
    };
    bench.client
      .newest("lives", "lives", file, ask)
      .then((answer) => {
        if (answer !== undefined) lines.value = { lines: answer, time: view, rows };
      })
      .catch(bench.failed(file));
  }, [file, axis, number, view.from, view.to, rows, columns, height, events, width, lines]);

  const shown = lines.value;
  const picture = useMemo(
    () =>
      shown === undefined || width === 0
        ? undefined
        : lifePicture(shown.lines, shown.time, shown.rows, { width, height }),
    [shown, width, height],
  );
  const canvas = usePicture("Lifetimes", picture);

  const {
    selection: { value: selected },
  } = bench;
  const band =
    rows === undefined || selected === undefined
      ? undefined
      : ([selected.first, selected.end].map(
          (page) => (placeOfPage(rows, page) * height) / Math.max(1, rows.starts.length),
        ) as [number, number]);
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
        onPointerDown={(event) =>
          brush(event, {
            go: ({ x, y }) => {
              goTo(valueAt(view, width, x));
              if (rows !== undefined) bench.revealPage(pageAtPlace(rows, (y * rows.starts.length) / height));
            },
            select: (from, to) => {
              if (rows === undefined || space === undefined) return;
              const page = (y: number): number => pageAtPlace(rows, (y * rows.starts.length) / height);
              const pages = { first: page(from.y), end: Math.min(space.pages, page(to.y) + 1) };
              const place = (x: number): number => valueAt(view, width, x);
              bench.select(place(from.x), place(to.x), pages).catch(bench.failed(file));
            },
          })
        }
      >
        <canvas ref={canvas} style={{ width: "100%", height: `${height}px` }} />
        <SelectionMark width={width} band={band} />
        <Playhead width={width} />
        {shown?.lines.count === 0 && <p class="empty over">Nothing was mapped here.</p>}
      </div>
      {shown !== undefined && (
        <div class="foot">
          <span class="dim">{printable(lifeWords(shown.lines, space?.name ?? ""))}</span>
          <TableDetails>{() => <LifeTable lines={shown.lines} />}</TableDetails>
        </div>
      )}
    </Region>
  );
}

function LifeTable({ lines }: { readonly lines: LifeLines }): ComponentChildren {
  const space = bench.space.value;
  const isTime = bench.axis.value === "time";
  if (space === undefined) return null;
  const text = (at: number, none: string): string =>
    Number.isFinite(at) ? (isTime ? secondsText(at) : countText(at)) : none;
  const rows = Math.min(MAX_ROWS, lines.count);
  return (
    <>
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
                <td class="address">{hex64(BigInt.asUintN(64, address))}</td>
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
    </>
  );
}
