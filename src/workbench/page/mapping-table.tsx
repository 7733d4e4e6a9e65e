import { useSignal } from "@preact/signals";
import { Component, type ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import type { Row, Space } from "../protocol.ts";
import { Address } from "./parts.tsx";
import { bench } from "./state.ts";
import { addressText, countText, sinceText } from "./words.ts";

/** Rows of the table; who wants all of a large window asks `map`. */
const MAX_TABLE_ROWS = 1000;

const NOTHING: { event: number; rows: readonly Row[]; all: number } = { event: -1, rows: [], all: 0 };

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
  const { event, rows, all } = answer.value ?? NOTHING;
  // A line stays where it is and says something else: making and removing a thousand of them takes longer than a frame.
  const lines = useMemo(() => rows.map((row, place) => <RowLine key={place} row={row} />), [rows]);
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
        <tbody>{lines}</tbody>
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

/** A line of the table, which is drawn again only if it says something else: most of them are as they were a moment before. */
class RowLine extends Component<{ readonly row: Row }> {
  override shouldComponentUpdate({ row }: { readonly row: Row }): boolean {
    return !isSame(row, this.props.row);
  }

  override render(): ComponentChildren {
    return <RowCells row={this.props.row} />;
  }
}

const isSame = (a: Row, b: Row): boolean =>
  a.first === b.first &&
  a.pages === b.pages &&
  a.address === b.address &&
  a.target === b.target &&
  a.sameTarget === b.sameTarget &&
  a.access === b.access &&
  a.certainty === b.certainty &&
  a.inferredPages === b.inferredPages &&
  a.since[0] === b.since[0] &&
  a.since[1] === b.since[1];

function RowCells({ row }: { readonly row: Row }): ComponentChildren {
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
