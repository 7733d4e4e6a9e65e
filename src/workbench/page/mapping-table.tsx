import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { counted } from "../../base/units.ts";
import type { Row, Space } from "../protocol.ts";
import { ROW_HEADS } from "../row-words.ts";
import { RowList } from "./row-list.ts";
import { bench } from "./state.ts";
import { countText } from "./words.ts";

/** Rows of the table; who wants all of a large window asks `map`. */
const MAX_TABLE_ROWS = 1000;

interface Shown {
  /** The moment that it is of, and the stretch of addresses. */
  readonly event: number;
  readonly place: string;
  readonly rows: readonly Row[];
  /** Pages behind the last of them. */
  readonly more: number;
}

const NOTHING: Shown = { event: -1, place: "", rows: [], more: 0 };

/** What `map` prints of the rows that are shown. */
export function MappingTable({
  space,
  first,
  end,
}: {
  readonly space: Space;
  readonly first: number;
  readonly end: number;
}): ComponentChildren {
  const answer = useSignal<Shown>(NOTHING);
  const table = useRef<HTMLTableElement>(null);
  const list = useRef<RowList>(undefined);
  const playhead = bench.playhead.value;
  const file = bench.active.value;
  const events = bench.events.value;
  useLayoutEffect(() => {
    const ask = { event: playhead, space: space.number, first, end, limit: MAX_TABLE_ROWS };
    bench.client
      .moment("rows", "rows", file, ask)
      .then((rows) => {
        if (rows === undefined) return;
        answer.value = { ...rows, event: playhead, place: `${file} ${space.name} ${first} ${end}` };
      })
      .catch(bench.failed(file));
  }, [file, space, first, end, playhead, events, answer]);
  const { event, place, rows, more } = answer.value;
  useLayoutEffect(() => {
    list.current ??= new RowList(table.current!);
    list.current.show(rows, place);
  }, [rows, place]);
  const select = ({ target }: Event): void => {
    const row = list.current?.rowAt(target as Element);
    if (row === undefined) return;
    const { from = 0, to = bench.playhead.value } = bench.selection.value ?? {};
    bench.selection.value = { from, to, first: row.first, end: row.first + row.pages };
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
    <section class="rows" tabIndex={0} aria-label="Mappings">
      <table
        data-event={event}
        aria-rowcount={more > 0 ? -1 : rows.length + 1}
        ref={table}
        onClick={select}
        onKeyDown={() => {}}
      >
        <thead>
          <tr>
            {ROW_HEADS.map((head) => (
              <th scope="col" key={head}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
      </table>
      {rows.length === 0 && <p class="empty">Nothing is mapped here at event {countText(playhead)}.</p>}
      {more > 0 && (
        <p class="dim">
          and {counted(more, "page")} more: zoom in, or spapr-iommu map --at {playhead}
        </p>
      )}
    </section>
  );
}
