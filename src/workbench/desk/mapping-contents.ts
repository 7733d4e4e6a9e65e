import type { AliveMapping } from "../../check/lives/alive.ts";
import type { Life } from "../../check/lives/life.ts";
import type { Cells, Row } from "../protocol.ts";
import { type CellPlan, type Contents, forEachCell, type PageRange } from "./contents.ts";

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

  constructor(mappings: readonly AliveMapping[]) {
    const rows = mappings.flatMap(({ life, stretches }) =>
      stretches.map(({ first, last, target, repeats }): Row => {
        const at = Number(first >> SHIFT);
        return {
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
      }),
    );
    this.#rows = rows.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
    this.mapped = rows.reduce((sum, { pages }) => sum + pages, 0);
  }

  forEachRow({ first, end }: PageRange, visit: (row: Row) => void): void {
    for (const row of this.#rows) if (row.first < end && row.first + row.pages > first) visit(row);
  }

  fill(plan: CellPlan, cells: Cells): void {
    for (const { first, pages, access, since } of this.#rows) {
      forEachCell(plan, first, pages, (cell, count) => {
        cells.mapped[cell]! += count;
        cells.access[cell]! |= 1 << (ACCESS[access] ?? 0);
        cells.since[cell] = Math.max(cells.since[cell]!, since[1]);
      });
    }
  }

  compare(before: MappingContents, plan: CellPlan, { came, went }: Cells): void {
    const was = new Set(before.#rows.map(keyOf));
    const is = new Set(this.#rows.map(keyOf));
    const add = (into: Float64Array, { first, pages }: Row): void =>
      forEachCell(plan, first, pages, (cell, count) => {
        into[cell]! += count;
      });
    for (const row of this.#rows) if (!was.has(keyOf(row))) add(came, row);
    for (const row of before.#rows) if (!is.has(keyOf(row))) add(went, row);
  }
}

const keyOf = ({ address, bytes, target, access }: Row): string => `${address} ${bytes} ${target} ${access}`;
