import type { Cells } from "../protocol.ts";

/** Owners that have a number; the rest of them share the last one. */
const MOST = 8;
const OTHERS = "others";
/** Number of a cell that has several. */
const SEVERAL = 255;

/** Numbers those who mapped what cells have, in the order in which they come. */
export class Owners {
  readonly #cells: Cells;
  readonly #names: string[];
  readonly #numbers = new Map<string, number>();

  /** @param cells whose names are those of this */
  constructor(cells: Cells) {
    this.#cells = cells;
    this.#names = cells.ownerNames as string[];
  }

  number(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    if (this.#names.length < MOST) this.#names.push(name);
    else if (this.#names.length === MOST) this.#names.push(OTHERS);
    const number = this.#names.length;
    this.#numbers.set(name, number);
    return number;
  }

  add(cell: number, owner: number): void {
    const { owners } = this.#cells;
    owners[cell] = owners[cell] === 0 || owners[cell] === owner ? owner : SEVERAL;
  }
}
