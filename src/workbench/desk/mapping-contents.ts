import type { AliveMapping } from "../../check/lives/alive.ts";
import type { Life } from "../../check/lives/life.ts";
import { TOP_FRAMES } from "../../formats/trace/call-stacks.ts";
import type { Cells, Row, RowsAnswer } from "../protocol.ts";
import { type CellDetail, CellFinder, type Contents, type PageRange } from "./contents.ts";
import { Owners } from "./owners.ts";

/** Pages of a device's addresses: 4 KiB, whatever the machine's are. */
export const MAPPING_PAGE_SHIFT = 12;
const SHIFT = BigInt(MAPPING_PAGE_SHIFT);

/** Pages that a mapping reaches into. */
export const pagesOf = ({ stretches }: Life): number =>
  stretches.reduce((sum, { first, last }) => sum + Number((last >> SHIFT) - (first >> SHIFT)) + 1, 0);

/** Bits of directions and permissions: the device reads what goes to it. */
const ACCESS: Readonly<Record<string, number>> = {
  TO_DEVICE: 1,
  FROM_DEVICE: 2,
  BIDIRECTIONAL: 3,
  "r-": 1,
  "-w": 2,
  rw: 3,
};

/** What is mapped for a device of Linux. */
export class MappingContents implements Contents {
  readonly mapped: number;
  readonly inferred = 0;
  readonly unknown = 0;
  /** By address. */
  readonly #rows: readonly Row[];
  /** The mappings that these are of. */
  readonly #lives: readonly Life[];

  constructor(mappings: readonly AliveMapping[]) {
    const rows = mappings.flatMap(({ life, stretches }) =>
      stretches.map(({ first, last, target, repeats }) => {
        const at = Number(first >> SHIFT);
        const row: Row = {
          first: at,
          pages: Number(last >> SHIFT) - at + 1,
          address: first,
          bytes: last - first + 1n,
          target,
          sameTarget: repeats !== undefined,
          access: life.access,
          certainty: life.inferred ? "inferred" : "known",
          inferredPages: 0,
          since: life.made === undefined ? [-1, -1] : [life.made.event, life.made.event],
        };
        return { row, life };
      }),
    );
    rows.sort(({ row: a }, { row: b }) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
    this.#rows = rows.map(({ row }) => row);
    this.#lives = rows.map(({ life }) => life);
    this.mapped = this.#rows.reduce((sum, { pages }) => sum + pages, 0);
  }

  mappedIn(first: number, end: number): number {
    let mapped = 0;
    this.forEachRow({ first, end }, (row) => {
      mapped += Math.min(end, row.first + row.pages) - Math.max(first, row.first);
    });
    return mapped;
  }

  forEachRow({ first, end }: PageRange, visit: (row: Row) => void): void {
    for (const row of this.#rows) if (row.first < end && row.first + row.pages > first) visit(row);
  }

  rows(range: PageRange, limit: number): RowsAnswer {
    const rows: Row[] = [];
    let more = 0;
    this.forEachRow(range, (row) => {
      if (rows.length < limit) rows.push(row);
      else more += row.pages;
    });
    return { rows, more };
  }

  fill(cells: Cells, detail: CellDetail | undefined): void {
    const owners = new Owners(cells);
    const finder = new CellFinder(cells);
    for (const [i, row] of this.#rows.entries()) {
      const { first, pages, access, since } = row;
      const owner = detail === "owner" ? owners.number(ownerOf(this.#lives[i]!)) : 0;
      finder.forEach(first, pages, (cell, count) => {
        cells.mapped[cell]! += count;
        cells.access[cell]! |= 1 << (ACCESS[access] ?? 0);
        cells.since[cell] = Math.max(cells.since[cell]!, since[1]);
        if (row.certainty === "inferred") cells.inferred[cell]! += count;
        cells.sizes[cell] = Math.max(cells.sizes[cell]!, pages);
        if (owner > 0) owners.add(cell, owner);
      });
    }
  }

  compare(before: MappingContents, cells: Cells): void {
    const was = new Set(before.#rows.map(keyOf));
    const is = new Set(this.#rows.map(keyOf));
    const finder = new CellFinder(cells);
    const add = (into: Float64Array, { first, pages }: Row): void =>
      finder.forEach(first, pages, (cell, count) => {
        into[cell]! += count;
      });
    for (const row of this.#rows) if (!was.has(keyOf(row))) add(cells.came, row);
    for (const row of before.#rows) if (!is.has(keyOf(row))) add(cells.went, row);
  }
}

/** Who mapped it: the first callers, or the call and the task where a recording has no call stacks. */
function ownerOf({ made }: Life): string {
  if (made === undefined) return "before the recording";
  const { stack, name, task } = made;
  if (stack !== undefined && stack.length > 0) return stack.slice(0, TOP_FRAMES).join(" < ");
  return task === undefined ? name : `${name} by ${task}`;
}

const keyOf = ({ address, bytes, target, access }: Row): string => `${address} ${bytes} ${target} ${access}`;
