import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { hex64 } from "../../base/u64.ts";
import { ROW_CELLS } from "../maths/heat-grid.ts";
import { pageOfCell, pagesOfCell } from "../maths/heat-rows.ts";
import type { Cells, Row, Space } from "../protocol.ts";
import { sinceText } from "../row-words.ts";
import { Address } from "./parts.tsx";
import { bench } from "./state.ts";
import { countText, secondsText } from "./words.ts";

/** A cell with more has many mappings: looking for the first one would take longer than it is worth. */
const MOST_PAGES = 2 ** 16;

interface Told {
  readonly cell: string;
  readonly rows: readonly Row[];
  /** Pages of the cell behind the first mapping. */
  readonly more: number;
  readonly seconds: number;
  readonly line: number;
}

/** What the cell at the cursor holds: bus address, target, since when, by which event. */
export function CellText({
  cells,
  cell,
  space,
}: {
  readonly cells: Cells | undefined;
  readonly cell: number;
  readonly space: Space;
}): ComponentChildren {
  const told = useSignal<Told | undefined>(undefined);
  const file = bench.active.value;
  const event = bench.playhead.value;
  const isShown = cells !== undefined && Math.floor(cell / ROW_CELLS) < cells.starts.length;
  const first = isShown ? pageOfCell(cells, cell) : space.pages;
  const pages = isShown ? Math.min(pagesOfCell(cells, cell), space.pages - first) : 0;
  const mapped = (isShown && cells.mapped[cell]) || 0;
  const key = `${file} ${space.number} ${first} ${pages} ${event}`;
  useEffect(() => {
    if (mapped === 0 || mapped > MOST_PAGES) return;
    const look = async (): Promise<void> => {
      const ask = { event, space: space.number, first, end: first + pages, limit: 1 };
      const answer = await bench.client.newest("cell", "rows", file, ask);
      if (answer === undefined) return;
      const since = answer.rows[0]?.since[1] ?? -1;
      const at =
        since < 0
          ? { seconds: Number.NaN, line: 0 }
          : await bench.client.ask("secondsOf", file, { event: since });
      told.value = { cell: key, ...answer, ...at };
    };
    look().catch(bench.failed(file));
  }, [key, mapped, told]);
  if (!isShown || first >= space.pages) return "behind the end";
  const [unknown, inferred] = [cells.unknown[cell]!, cells.inferred[cell]!];
  const address = BigInt.asUintN(64, space.start + (BigInt(first) << BigInt(space.pageShift)));
  const is = told.value?.cell === key ? told.value : undefined;
  return (
    <>
      <Address value={address} />
      {` ${countText(mapped)} of ${countText(pages)} ${pages === 1 ? "page is" : "pages are"} mapped`}
      {inferred > 0 && `, ${countText(inferred)} inferred`}
      {unknown > 0 && `, ${countText(unknown)} unknown`}
      {is?.rows[0] !== undefined && <First told={is} row={is.rows[0]} />}
    </>
  );
}

/** The first mapping of a cell. */
function First({ told, row }: { readonly told: Told; readonly row: Row }): ComponentChildren {
  const { more, seconds, line } = told;
  const hasLine = line > 0 && bench.summary.value?.hasLines === true;
  return (
    <>
      {more > 0 && "; the first"}
      {row.target !== undefined && ` to ${hex64(row.target)}`} {row.access}
      {row.since[1] >= 0
        ? ` since ${sinceText(row.since, row.certainty)}`
        : `, ${sinceText(row.since, row.certainty)}`}
      {hasLine && row.since[1] >= 0 && `, line ${countText(line)}`}
      {Number.isFinite(seconds) && `, at ${secondsText(seconds)}`}
    </>
  );
}
