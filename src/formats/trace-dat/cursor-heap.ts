import type { CpuCursor } from "./cpu-cursor.ts";

/** Is the record of one CPU to be read before that of another? */
export const isBefore = (one: CpuCursor, other: CpuCursor): boolean =>
  one.time < other.time || (one.time === other.time && one.index < other.index);

/** Cursors, of which the one with the earliest record is known: a heap. */
export class CursorHeap {
  readonly #cursors: CpuCursor[] = [];

  /** The earliest one. */
  get first(): CpuCursor | undefined {
    return this.#cursors[0];
  }

  /** The one that is the earliest without {@link first}. */
  get second(): CpuCursor | undefined {
    const left = this.#cursors[1];
    const right = this.#cursors[2];
    return left !== undefined && right !== undefined && isBefore(right, left) ? right : left;
  }

  add(cursor: CpuCursor): void {
    const cursors = this.#cursors;
    let at = cursors.push(cursor) - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!isBefore(cursor, cursors[parent]!)) break;
      cursors[at] = cursors[parent]!;
      at = parent;
    }
    cursors[at] = cursor;
  }

  /** The first one has gone to another record. */
  moved(): void {
    const cursors = this.#cursors;
    const cursor = cursors[0]!;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= cursors.length) break;
      if (child + 1 < cursors.length && isBefore(cursors[child + 1]!, cursors[child]!)) child++;
      if (!isBefore(cursors[child]!, cursor)) break;
      cursors[at] = cursors[child]!;
      at = child;
    }
    cursors[at] = cursor;
  }

  /** Takes the first one out. */
  removeFirst(): void {
    const last = this.#cursors.pop()!;
    if (this.#cursors.length === 0) return;
    this.#cursors[0] = last;
    this.moved();
  }
}
