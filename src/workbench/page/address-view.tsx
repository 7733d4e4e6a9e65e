import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { heatPicture } from "../draw/heat-picture.ts";
import {
  cellOfPage,
  HEAT_COLOURS,
  type HeatColour,
  insideHeat,
  pageOfCell,
  ROW_CELLS,
  scrolledHeat,
  shownPages,
  wholeView,
  zoomedHeat,
} from "../maths/heat-grid.ts";
import type { Cells, Row, Space } from "../protocol.ts";
import { CanvasRenderer } from "./canvas-renderer.ts";
import { Address, Region, useScheme, useSize } from "./parts.tsx";
import { bench } from "./state.ts";
import { addressText, countText, pagesSize, shown } from "./words.ts";

const CELL_HEIGHT = 11;
/** Rows of the table; who wants all of a large window asks `map`. */
const MAX_TABLE_ROWS = 1000;

const COLOUR_WORDS: Readonly<Record<HeatColour, string>> = {
  permission: "permission",
  age: "age",
  certainty: "certainty",
  change: "change since the mark",
};

/** A space at the playhead: a heat map from all of it down to single entries, and the table behind that. */
export function AddressView(): ComponentChildren {
  const { ref, width } = useSize();
  const canvas = useRef<HTMLCanvasElement>(null);
  const renderer = useRef<CanvasRenderer>(undefined);
  const cells = useSignal<Cells | undefined>(undefined);
  const cursor = useSignal(0);
  const isDark = useScheme();
  const space = bench.space.value;
  const playhead = bench.playhead.value;
  const file = bench.active.value;
  const colour = bench.colour.value;
  const mark = bench.mark.value;
  const events = bench.events.value;
  const rows = bench.heatRows.value;
  const heat =
    space === undefined
      ? undefined
      : insideHeat(bench.heatView.value ?? wholeView(space.pages, rows), space.pages, rows);

  useEffect(() => {
    if (heat === undefined || space === undefined || events === 0) return;
    const ask = {
      event: playhead,
      space: space.number,
      first: heat.first,
      shift: heat.shift,
      cells: rows * ROW_CELLS,
      mark: colour === "change" ? mark : -1,
    };
    bench.client
      .newest("cells", "cells", file, ask)
      .then((answer) => {
        if (answer !== undefined) cells.value = answer;
      })
      .catch(bench.failed(file));
  }, [file, space?.number, heat?.first, heat?.shift, playhead, colour, mark, events, cells]);

  const drawn = cells.value;
  useEffect(() => {
    if (drawn === undefined || canvas.current === null || width === 0 || space === undefined) return;
    renderer.current ??= new CanvasRenderer(canvas.current);
    renderer.current.draw(
      heatPicture(drawn, colour, { width, cellHeight: CELL_HEIGHT }, space.pages, playhead),
    );
  }, [drawn, width, isDark, colour, space, playhead]);

  if (space === undefined || heat === undefined)
    return (
      <Region name="Address" class="addresses">
        <p class="empty">No window or device is there: nothing to show.</p>
      </Region>
    );
  const cell = Math.min(cursor.value, rows * ROW_CELLS - 1);
  const move = (to: number): void => {
    if (to < 0) bench.heatView.value = scrolledHeat(heat, space.pages, rows, -1);
    else if (to >= rows * ROW_CELLS) bench.heatView.value = scrolledHeat(heat, space.pages, rows, 1);
    else cursor.value = to;
  };
  const zoom = (at: number, levels: number): void => {
    const page = pageOfCell(heat, at);
    const next = zoomedHeat(heat, space.pages, rows, at, levels);
    bench.heatView.value = next;
    cursor.value = Math.max(0, Math.min(rows * ROW_CELLS - 1, cellOfPage(next, page)));
  };
  const select = (at: number): void => {
    const first = pageOfCell(heat, at);
    if (first >= space.pages) return;
    const end = Math.min(space.pages, first + 2 ** heat.shift);
    const { from = 0, to = Math.max(0, events - 1) } = bench.selection.value ?? {};
    bench.selection.value = { from, to, first, end };
  };
  const cellAt = (event: MouseEvent & { readonly currentTarget: HTMLElement }): number => {
    const { left, top } = event.currentTarget.getBoundingClientRect();
    const column = Math.floor(((event.clientX - left) * ROW_CELLS) / width);
    const row = Math.floor((event.clientY - top) / CELL_HEIGHT);
    return row * ROW_CELLS + Math.max(0, Math.min(ROW_CELLS - 1, column));
  };
  return (
    <Region
      name="Address"
      class="addresses"
      tools={<HeatTools heat={heat} space={space} zoom={(by) => zoom(cell, by)} />}
    >
      <div class="heat">
        <HeatAxis space={space} first={heat.first} shift={heat.shift} />
        <div
          class="canvas-box"
          ref={ref}
          role="application"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: its keys move the cursor
          tabIndex={0}
          aria-label={`heat map of ${shown(space.name)}; arrows move the cursor, plus and minus zoom, Enter selects`}
          aria-describedby="cell-text"
          onWheel={(event) => {
            if (event.ctrlKey || event.metaKey) {
              event.preventDefault();
              zoom(cellAt(event), event.deltaY > 0 ? 1 : -1);
            } else {
              const before = heat.first;
              const next = scrolledHeat(heat, space.pages, rows, event.deltaY > 0 ? 2 : -2);
              if (next.first !== before) event.preventDefault();
              bench.heatView.value = next;
            }
          }}
          onPointerMove={(event) => {
            cursor.value = Math.max(0, Math.min(rows * ROW_CELLS - 1, cellAt(event)));
          }}
          onClick={(event) => select(cellAt(event))}
          onDblClick={(event) => zoom(cellAt(event), -2)}
          onKeyDown={(event) => {
            const steps: Readonly<Record<string, number>> = {
              ArrowLeft: -1,
              ArrowRight: 1,
              ArrowUp: -ROW_CELLS,
              ArrowDown: ROW_CELLS,
            };
            const step = steps[event.key];
            if (step !== undefined) move(cell + step);
            else if (event.key === "+" || event.key === "=") zoom(cell, -1);
            else if (event.key === "-") zoom(cell, 1);
            else if (event.key === "Enter" || event.key === " ") select(cell);
            else return;
            event.preventDefault();
            event.stopPropagation();
          }}
        >
          <canvas ref={canvas} style={{ width: "100%", height: `${rows * CELL_HEIGHT}px` }} />
          <div
            class="cursor"
            style={{
              left: `${((cell % ROW_CELLS) * width) / ROW_CELLS}px`,
              top: `${Math.floor(cell / ROW_CELLS) * CELL_HEIGHT}px`,
              width: `${width / ROW_CELLS}px`,
              height: `${CELL_HEIGHT}px`,
            }}
          />
        </div>
        <Minimap space={space} first={heat.first} pages={shownPages(heat, rows)} />
      </div>
      <div class="cell-text">
        <p id="cell-text" aria-live="polite">
          <CellText cells={drawn} cell={cell} space={space} />
        </p>
        <span class="legend">
          <ColourKeys colour={colour} />
        </span>
      </div>
      <Rows space={space} first={heat.first} end={heat.first + shownPages(heat, rows)} />
    </Region>
  );
}

function HeatTools({
  heat,
  space,
  zoom,
}: {
  readonly heat: { readonly first: number; readonly shift: number };
  readonly space: Space;
  readonly zoom: (levels: number) => void;
}): ComponentChildren {
  const colour = bench.colour.value;
  return (
    <span class="legend">
      <span class="dim">
        {shown(space.name)}, a cell is{" "}
        {heat.shift === 0
          ? `one ${space.kind === "device" ? "page" : "entry"} of ${pagesSize(1, space.pageShift)}`
          : `${countText(2 ** heat.shift)} pages, ${pagesSize(2 ** heat.shift, space.pageShift)}`}
      </span>
      <button type="button" aria-label="zoom in" onClick={() => zoom(-1)}>
        +
      </button>
      <button type="button" aria-label="zoom out" onClick={() => zoom(1)}>
        −
      </button>
      <label>
        <span class="hidden">colour by</span>
        <select
          value={colour}
          onChange={({ currentTarget }) => {
            bench.colour.value = currentTarget.value as HeatColour;
          }}
        >
          {HEAT_COLOURS.map((name) => (
            <option key={name} value={name} disabled={name === "change" && bench.mark.value < 0}>
              {COLOUR_WORDS[name]}
            </option>
          ))}
        </select>
      </label>
    </span>
  );
}

const KEYS: Readonly<Record<HeatColour, readonly (readonly [ink: string, words: string])[]>> = {
  permission: [
    ["read-3", "read"],
    ["write-3", "write"],
    ["both-3", "both"],
    ["inferred", "inferred"],
    ["unknown", "unknown"],
  ],
  age: [
    ["age-1", "new"],
    ["age-3", ""],
    ["age-5", "old"],
    ["unknown", "unknown"],
  ],
  certainty: [
    ["read-3", "known"],
    ["inferred", "inferred"],
    ["unknown", "unknown"],
  ],
  change: [
    ["came", "mapped since"],
    ["went", "unmapped since"],
    ["occupancy", "as it was"],
  ],
};

const ColourKeys = ({ colour }: { readonly colour: HeatColour }): ComponentChildren =>
  KEYS[colour].map(([ink, words]) => (
    <span class={`key ${ink}`} key={ink}>
      {words}
    </span>
  ));

/** Bus addresses of some rows. */
function HeatAxis({
  space,
  first,
  shift,
}: {
  readonly space: Space;
  readonly first: number;
  readonly shift: number;
}): ComponentChildren {
  const labelled = Array.from({ length: Math.ceil(bench.heatRows.value / 4) }, (_, i) => i * 4);
  return (
    <div class="heat-axis" aria-hidden="true">
      {labelled.map((row) => {
        const page = first + row * ROW_CELLS * 2 ** shift;
        const address = BigInt.asUintN(64, space.start + (BigInt(page) << BigInt(space.pageShift)));
        return (
          <span key={row} style={{ top: `${row * CELL_HEIGHT}px` }}>
            {page < space.pages && <Address value={address} />}
          </span>
        );
      })}
    </div>
  );
}

/** Where in the whole space the rows are that are shown. */
function Minimap({
  space,
  first,
  pages,
}: {
  readonly space: Space;
  readonly first: number;
  readonly pages: number;
}): ComponentChildren {
  const rows = bench.heatRows.value;
  const height = rows * CELL_HEIGHT;
  const part = (value: number): number => (value * height) / space.pages;
  const top = Math.min(height - 3, part(first));
  return (
    <div
      class="minimap"
      aria-hidden="true"
      onClick={(event) => {
        const { top: edge } = event.currentTarget.getBoundingClientRect();
        const page = Math.floor(((event.clientY - edge) * space.pages) / height);
        const view = bench.heatView.value;
        if (view !== undefined)
          bench.heatView.value = insideHeat({ ...view, first: page - pages / 2 }, space.pages, rows);
      }}
    >
      <div
        class="minimap-view"
        style={{ top: `${top}px`, height: `${Math.max(3, Math.min(height, part(pages)))}px` }}
      />
    </div>
  );
}

function CellText({
  cells,
  cell,
  space,
}: {
  readonly cells: Cells | undefined;
  readonly cell: number;
  readonly space: Space;
}): ComponentChildren {
  const first = cells === undefined ? space.pages : cells.first + cell * 2 ** cells.shift;
  if (cells === undefined || first >= space.pages) return "behind the end";
  const pages = Math.min(2 ** cells.shift, space.pages - first);
  const address = BigInt.asUintN(64, space.start + (BigInt(first) << BigInt(space.pageShift)));
  const [mapped, unknown, inferred, since] = [
    cells.mapped[cell]!,
    cells.unknown[cell]!,
    cells.inferred[cell]!,
    cells.since[cell]!,
  ];
  return (
    <>
      <Address value={address} />
      {` ${countText(mapped)} of ${countText(pages)} ${pages === 1 ? "page is" : "pages are"} mapped`}
      {inferred > 0 && `, ${countText(inferred)} inferred`}
      {unknown > 0 && `, ${countText(unknown)} unknown`}
      {mapped > 0 && since >= 0 && `, newest by event ${countText(since)}`}
    </>
  );
}

/** What `map` prints of the rows that are shown. */
function Rows({
  space,
  first,
  end,
}: {
  readonly space: Space;
  readonly first: number;
  readonly end: number;
}): ComponentChildren {
  const answer = useSignal<{ event: number; rows: readonly Row[]; all: number } | undefined>(undefined);
  const playhead = bench.playhead.value;
  const file = bench.active.value;
  const events = bench.events.value;
  useEffect(() => {
    const ask = { event: playhead, space: space.number, first, end, limit: MAX_TABLE_ROWS };
    bench.client
      .newest("rows", "rows", file, ask)
      .then((rows) => {
        if (rows !== undefined) answer.value = { ...rows, event: playhead };
      })
      .catch(bench.failed(file));
  }, [file, space.number, first, end, playhead, events, answer]);
  const { event, rows, all } = answer.value ?? { event: -1, rows: [], all: 0 };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
    <section class="rows" tabIndex={0} aria-label="Mappings">
      <table data-event={event}>
        <thead>
          <tr>
            <th scope="col">bus address</th>
            <th scope="col">pages</th>
            <th scope="col">target</th>
            <th scope="col">permission</th>
            <th scope="col">certainty</th>
            <th scope="col">since</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <RowLine key={`${row.first} ${row.address} ${row.target}`} row={row} />
          ))}
        </tbody>
      </table>
      {all === 0 && <p class="empty">Nothing is mapped here at event {countText(playhead)}.</p>}
      {all > rows.length && (
        <p class="dim">
          and {countText(all - rows.length)} more: zoom in, or spapr-iommu map --at {playhead}
        </p>
      )}
    </section>
  );
}

function RowLine({ row }: { readonly row: Row }): ComponentChildren {
  const { address, pages, target, sameTarget, access, certainty, inferredPages, since } = row;
  return (
    <tr
      class={certainty}
      onClick={() => {
        const { from = 0, to = bench.playhead.value } = bench.selection.value ?? {};
        bench.selection.value = { from, to, first: row.first, end: row.first + pages };
      }}
      onKeyDown={() => {}}
    >
      <td>
        <Address value={address} />
      </td>
      <td>{countText(pages)}</td>
      <td>{target === undefined ? "" : `${addressText(target)}${sameTarget ? " (all)" : ""}`}</td>
      <td>{access}</td>
      <td>
        {inferredPages > 0 && inferredPages < pages ? `${countText(inferredPages)} inferred` : certainty}
      </td>
      <td>{sinceText(since, certainty)}</td>
    </tr>
  );
}

function sinceText([first, last]: Row["since"], certainty: Row["certainty"]): string {
  if (certainty === "unknown") return "";
  if (first < 0) return last < 0 ? "before the recording" : `up to event ${countText(last)}`;
  return first === last ? `event ${countText(first)}` : `events ${countText(first)} to ${countText(last)}`;
}
