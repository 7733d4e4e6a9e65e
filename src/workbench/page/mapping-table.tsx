import { useSignal } from "@preact/signals";
import { Component, type ComponentChildren } from "preact";
import { useLayoutEffect, useMemo } from "preact/hooks";
import type { Row, Space } from "../protocol.ts";
import { ROW_HEADS, type RowWords, rowWords } from "../row-words.ts";
import { Address } from "./parts.tsx";
import { bench } from "./state.ts";
import { countText } from "./words.ts";

/** Rows of the table; who wants all of a large window asks `map`. */
const MAX_TABLE_ROWS = 1000;
/** Rows that the browser lays out and paints together, and not at all while they are out of sight. */
const GROUP_ROWS = 16;

const NOTHING: { event: number; rows: readonly Row[]; all: number } = { event: -1, rows: [], all: 0 };

/** A row, and what it says. */
interface Line {
  readonly row: Row;
  readonly words: RowWords;
}

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
  useLayoutEffect(() => {
    const ask = { event: playhead, space: space.number, first, end, limit: MAX_TABLE_ROWS };
    bench.client
      .moment("rows", "rows", file, ask)
      .then((rows) => {
        if (rows !== undefined) answer.value = { ...rows, event: playhead };
      })
      .catch(bench.failed(file));
  }, [file, space.number, first, end, playhead, events, answer]);
  const { event, rows, all } = answer.value ?? NOTHING;
  const lines = useMemo(() => rows.map((row): Line => ({ row, words: rowWords(row) })), [rows]);
  const groups = Array.from({ length: Math.ceil(lines.length / GROUP_ROWS) }, (_, group) =>
    lines.slice(group * GROUP_ROWS, (group + 1) * GROUP_ROWS),
  );
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
    <section class="rows" tabIndex={0} aria-label="Mappings">
      <table data-event={event} aria-rowcount={all + 1} style={{ "--columns": columnsOf(lines) }}>
        <thead>
          <tr>
            {ROW_HEADS.map((head) => (
              <th scope="col" key={head}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        {groups.map((group, place) => (
          <tbody key={place} style={{ "--rows": group.length }}>
            {group.map((line, at) => (
              <RowLine key={at} line={line} />
            ))}
          </tbody>
        ))}
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

/**
 * The widths of the columns, for the longest that each says, its head included. The groups of rows are laid out apart from each other, so that
 * no column can ask all of them itself.
 */
function columnsOf(lines: readonly Line[]): string {
  return ROW_HEADS.map((head, column) => {
    const letters = lines.reduce((most, { words }) => Math.max(most, words[column]!.length), head.length);
    return `calc(${letters}ch + var(--gap))`;
  }).join(" ");
}

/**
 * A line of the table. It stays where it is, and is drawn again only if it says something else: most of them are as they
 * were a moment before, and making and removing a thousand of them takes longer than a frame.
 */
class RowLine extends Component<{ readonly line: Line }> {
  override shouldComponentUpdate({ line: { row, words } }: { readonly line: Line }): boolean {
    const { row: was, words: were } = this.props.line;
    return row.certainty !== was.certainty || words.some((word, column) => word !== were[column]);
  }

  override render(): ComponentChildren {
    const { row, words } = this.props.line;
    const [, pages, target, access, certainty, since] = words;
    return (
      <tr
        class={row.certainty}
        onClick={() => {
          const { from = 0, to = bench.playhead.value } = bench.selection.value ?? {};
          const { first, pages } = this.props.line.row;
          bench.selection.value = { from, to, first, end: first + pages };
        }}
        onKeyDown={() => {}}
      >
        <td>
          <Address value={row.address} />
        </td>
        <td>{pages}</td>
        <td>{target}</td>
        <td>{access}</td>
        <td>{certainty}</td>
        <td>{since}</td>
      </tr>
    );
  }
}
