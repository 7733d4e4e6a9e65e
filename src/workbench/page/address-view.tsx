import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo } from "preact/hooks";
import { CELL_HEIGHT, heatPicture } from "../draw/heat-picture.ts";
import { ROW_CELLS, zoomedHeat } from "../maths/heat-grid.ts";
import { cellOfPage, isSameRows, pageOfCell, pagesOfCell, rowsEnd } from "../maths/heat-rows.ts";
import type { Cells, Space } from "../protocol.ts";
import { CellText } from "./cell-text.tsx";
import { ColourKeys, HeatTools } from "./heat-tools.tsx";
import { MappingTable } from "./mapping-table.tsx";
import { Minimap } from "./minimap.tsx";
import { Address, Region, useSize } from "./parts.tsx";
import { usePicture } from "./pictures.ts";
import { bench } from "./state.ts";
import { countText, shown } from "./words.ts";

/** Rows that one step of the wheel goes. */
const WHEEL_ROWS = 2;
/** Pixels that the minimap has at least. */
const LEAST_MINIMAP = 64;

/** A space at the playhead: a heat map from all of it down to single entries, and the table behind that. */
export function AddressView(): ComponentChildren {
  const space = bench.space.value;
  const cells = useCells(space);
  // What is shown stays until the cells are there, also when the playhead comes into a later window of that name.
  const shown = bench.summary.value?.spaces.find(
    ({ number, name }) => number === cells?.space && name === space?.name,
  );
  if (space === undefined)
    return (
      <Region name="Address" class="addresses">
        <p class="empty">No window or device is there: nothing to show.</p>
      </Region>
    );
  return shown === undefined ? (
    <HeatMap space={space} asked={space} cells={undefined} />
  ) : (
    <HeatMap space={shown} asked={space} cells={cells} />
  );
}

/** The cells of the rows that are shown, asked for anew whenever anything of them changes. */
function useCells(space: Space | undefined): Cells | undefined {
  const cells = useSignal<{ readonly file: number; readonly cells: Cells } | undefined>(undefined);
  const event = bench.playhead.value;
  const file = bench.active.value;
  const colour = bench.colour.value;
  const events = bench.events.value;
  const view = bench.heatView.value;
  const rows = bench.heatRows.value;
  const open = bench.unfolded.value;
  const before = colour === "change" ? bench.before.value : undefined;
  const detail = colour === "size" || colour === "owner" || colour === "age" ? colour : undefined;
  const number = space?.number;
  useLayoutEffect(() => {
    if (number === undefined || events === 0) return;
    const ask = { event, space: number, view, rows, open, detail, before };
    bench.client
      .moment("cells", "cells", file, ask)
      .then((answer) => {
        if (answer === undefined) return;
        cells.value = { file, cells: answer };
        const known = bench.rows.peek();
        const { space, shift, starts, folds } = answer;
        if (known?.space !== space || !isSameRows(known, answer))
          bench.rows.value = { space, shift, starts, folds };
      })
      .catch(bench.failed(file));
  }, [file, number, view, rows, open, event, detail, before, events, cells]);
  return cells.value?.file === file ? cells.value.cells : undefined;
}

/**
 * @param space the one that the cells are of
 * @param asked the one at the playhead, of which the cells may still be on their way
 */
function HeatMap({
  space,
  asked,
  cells,
}: {
  readonly space: Space;
  readonly asked: Space;
  readonly cells: Cells | undefined;
}): ComponentChildren {
  const { ref, width } = useSize();
  const cursor = useSignal(0);
  const colour = bench.colour.value;
  // Ages are counted from the playhead; other colours are drawn once for a moment, when its cells are there.
  const newest = colour === "age" ? bench.playhead.value : 0;
  const picture = useMemo(
    () =>
      cells === undefined || width === 0
        ? undefined
        : heatPicture(cells, colour, { width, cellHeight: CELL_HEIGHT }, space.pages, newest),
    [cells, width, colour, space.pages, newest],
  );
  const canvas = usePicture("Address", picture);
  const count = cells?.starts.length ?? 0;
  const last = Math.max(0, count * ROW_CELLS - 1);
  const cell = Math.min(cursor.value, last);
  const row = Math.floor(cell / ROW_CELLS);
  const isFolded = (at: number): boolean => cells !== undefined && at < count && cells.folds[at] !== 1;
  const height = count * CELL_HEIGHT;

  const scroll = (by: number): boolean => {
    if (cells === undefined) return false;
    const { starts, shift } = cells;
    if (by < 0 ? starts[0] === 0 : rowsEnd(cells) >= space.pages) return false;
    bench.heatView.value =
      by < 0
        ? { first: starts[0]!, shift, row: -by }
        : { first: starts[Math.min(by, count - 1)]!, shift, row: 0 };
    return true;
  };
  const zoom = (at: number, levels: number): void => {
    if (cells === undefined) return;
    const page = pageOfCell(cells, at);
    const view = { first: page, shift: cells.shift };
    const place = { page, row: Math.floor(at / ROW_CELLS) };
    bench.heatView.value = zoomedHeat(view, space.pages, bench.heatRows.value, place, levels);
    wanted.value = page;
  };
  // A zoom keeps the cursor at its page, whose cell is known when the answer is there.
  const wanted = useSignal<number | undefined>(undefined);
  useEffect(() => {
    if (cells === undefined || wanted.value === undefined) return;
    cursor.value = cellOfPage(cells, wanted.value) ?? cursor.value;
    wanted.value = undefined;
  }, [cells, cursor, wanted]);

  const moveRow = (to: number, column: number): void => {
    if (to < 0) scroll(-1);
    else if (to >= count) scroll(1);
    else cursor.value = to * ROW_CELLS + (isFolded(to) ? 0 : column);
  };
  const move = (key: string): boolean => {
    const column = cell % ROW_CELLS;
    if (key === "ArrowUp") moveRow(row - 1, column);
    else if (key === "ArrowDown") moveRow(row + 1, column);
    else if (key === "ArrowLeft") column > 0 ? moveRow(row, column - 1) : moveRow(row - 1, ROW_CELLS - 1);
    else if (key === "ArrowRight")
      column < ROW_CELLS - 1 && !isFolded(row) ? moveRow(row, column + 1) : moveRow(row + 1, 0);
    else return false;
    return true;
  };
  const select = (at: number): void => {
    if (cells === undefined || isFolded(Math.floor(at / ROW_CELLS))) return;
    const first = pageOfCell(cells, at);
    if (first >= space.pages) return;
    const end = Math.min(space.pages, first + pagesOfCell(cells, at));
    const { from = 0, to = Math.max(0, bench.events.value - 1) } = bench.selection.value ?? {};
    bench.selection.value = { from, to, first, end };
  };
  const cellAt = (event: MouseEvent & { readonly currentTarget: HTMLElement }): number => {
    const { left, top } = event.currentTarget.getBoundingClientRect();
    const at = Math.max(0, Math.min(Math.max(0, count - 1), Math.floor((event.clientY - top) / CELL_HEIGHT)));
    const column = Math.floor(((event.clientX - left) * ROW_CELLS) / width);
    return at * ROW_CELLS + (isFolded(at) ? 0 : Math.max(0, Math.min(ROW_CELLS - 1, column)));
  };
  return (
    <Region
      name="Address"
      class="addresses"
      tools={<HeatTools shift={cells?.shift ?? 0} space={space} zoom={(by) => zoom(cell, by)} />}
    >
      <div class="heat">
        <HeatAxis space={space} cells={cells} />
        <div class="heat-box">
          <div
            class="canvas-box"
            ref={ref}
            role="application"
            // biome-ignore lint/a11y/noNoninteractiveTabindex: its keys move the cursor
            tabIndex={0}
            aria-label={`heat map of ${shown(space.name)}; arrows move the cursor, plus and minus zoom, Enter selects or unfolds`}
            aria-describedby="cell-text"
            onWheel={(event) => {
              if (event.ctrlKey || event.metaKey) {
                event.preventDefault();
                zoom(cellAt(event), event.deltaY > 0 ? 1 : -1);
              } else if (scroll(event.deltaY > 0 ? WHEEL_ROWS : -WHEEL_ROWS)) event.preventDefault();
            }}
            onPointerMove={(event) => {
              cursor.value = cellAt(event);
            }}
            onClick={(event) => select(cellAt(event))}
            onDblClick={(event) => zoom(cellAt(event), -2)}
            onKeyDown={(event) => {
              if (event.ctrlKey || event.metaKey || event.altKey) return;
              if (move(event.key)) {
                // The cursor has gone.
              } else if (event.key === "+" || event.key === "=") zoom(cell, -1);
              else if (event.key === "-") zoom(cell, 1);
              else if (event.key === "Enter" || event.key === " ")
                isFolded(row) ? bench.unfold(row) : select(cell);
              else return;
              event.preventDefault();
              event.stopPropagation();
            }}
          >
            <canvas ref={canvas} style={{ width: "100%", height: `${height}px` }} />
            {count > 0 && (
              <div
                class="cursor"
                style={{
                  left: `${((cell % ROW_CELLS) * width) / ROW_CELLS}px`,
                  top: `${row * CELL_HEIGHT}px`,
                  width: `${isFolded(row) ? width : width / ROW_CELLS}px`,
                  height: `${CELL_HEIGHT}px`,
                }}
              />
            )}
          </div>
          <Folds cells={cells} />
        </div>
        {cells !== undefined && (
          <Minimap space={asked} rows={cells} height={Math.max(height, LEAST_MINIMAP)} />
        )}
      </div>
      <div class="cell-text">
        <p id="cell-text" aria-live="polite">
          <CellText cells={cells} cell={cell} space={space} />
        </p>
        <span class="legend">
          <ColourKeys colour={colour} owners={cells?.ownerNames ?? []} />
        </span>
      </div>
      {cells !== undefined && <ShownTable space={asked} cells={cells} />}
    </Region>
  );
}

/** The table of the rows that are shown: of all of the space, as long as nobody went into it. */
function ShownTable({ space, cells }: { readonly space: Space; readonly cells: Cells }): ComponentChildren {
  const isAll = bench.heatView.value === undefined;
  const [first, end] = isAll ? [0, space.pages] : [cells.starts[0] ?? 0, rowsEnd(cells)];
  return <MappingTable space={space} first={first} end={end} />;
}

/** Handles on rows that stand for many. */
function Folds({ cells }: { readonly cells: Cells | undefined }): ComponentChildren {
  if (cells === undefined) return null;
  return [...cells.folds.entries()]
    .filter(([, fold]) => fold !== 1)
    .map(([row, fold]) => (
      <button
        type="button"
        class="fold"
        key={cells.starts[row]}
        style={{ top: `${row * CELL_HEIGHT}px`, height: `${CELL_HEIGHT}px` }}
        title="show these rows"
        onClick={() => bench.unfold(row)}
      >
        {countText(fold)} empty rows
      </button>
    ));
}

/** Bus addresses of some rows. */
function HeatAxis({
  space,
  cells,
}: {
  readonly space: Space;
  readonly cells: Cells | undefined;
}): ComponentChildren {
  const rows = [...(cells?.starts ?? [])];
  // Beside a fold addresses do not go on evenly: what stands behind one is labelled.
  const isLabelled = (row: number): boolean => row % 4 === 0 || (cells?.folds[row - 1] ?? 1) !== 1;
  return (
    <div class="heat-axis" aria-hidden="true">
      {rows.map((page, row) => {
        if (!isLabelled(row) || page >= space.pages) return null;
        const address = BigInt.asUintN(64, space.start + (BigInt(page) << BigInt(space.pageShift)));
        return (
          <span key={page} style={{ top: `${row * CELL_HEIGHT}px` }}>
            <Address value={address} />
          </span>
        );
      })}
    </div>
  );
}
