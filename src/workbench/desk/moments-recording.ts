import { hex, maxBig } from "../../base/u64.ts";
import type { SpaceState } from "../../check/lives/alive.ts";
import type { WindowState } from "../../check/state/window-state.ts";
import { type ChangeRow, EVENT_CLASSES, type FileLine, type Space } from "../protocol.ts";
import type { Contents } from "./contents.ts";
import { EventRows } from "./event-rows.ts";
import type { LifePicture } from "./life-picture.ts";
import { MAPPING_PAGE_SHIFT, MappingContents } from "./mapping-contents.ts";
import type { LifeLengths, Recording } from "./recording.ts";
import { changesOfWindows } from "./window-changes.ts";
import { WindowContents } from "./window-contents.ts";

/** What an input shows at one moment; of a script, after one operation. */
export interface ShownStep {
  readonly line: number;
  /** `h_put_tce`; what all is, of an input with one moment. */
  readonly name: string;
  readonly windows: readonly WindowState[];
  /** Mappings of devices, of an input that has no windows. */
  readonly spaces: readonly SpaceState[];
}

interface Shown {
  readonly space: Space;
  readonly contents: (Contents | undefined)[];
}

const ONCE = EVENT_CLASSES.indexOf("moment");

/** An input of a few moments, each of which is there as a whole: a saved machine, a dump, the run of an op script. */
export class MomentsRecording implements Recording {
  readonly format: string;
  readonly rows: EventRows = new EventRows();
  readonly notes: readonly string[];
  readonly hasLines: boolean;
  readonly #steps: readonly ShownStep[];
  readonly #lines: readonly string[];
  readonly #shown: readonly Shown[];

  /** @param text of a script; its lines are its operations */
  constructor(format: string, steps: readonly ShownStep[], text: string, notes: readonly string[]) {
    this.format = format;
    this.notes = notes;
    this.#steps = steps;
    this.#lines = text.split("\n");
    this.hasLines = text !== "";
    this.#shown = shownOf(steps, this.rows);
    const mapped = new Map<Shown, number>();
    for (const [i, { line }] of steps.entries()) {
      const changed = this.#shown.find((one) => (one.contents[i]?.mapped ?? 0) !== (mapped.get(one) ?? 0));
      const shown = changed ?? this.#shown[0];
      const lane = shown?.space.lane ?? this.rows.lane("machine");
      const now = shown?.contents[i]?.mapped ?? 0;
      const kind = steps.length === 1 || shown === undefined ? ONCE : kindOf(now - (mapped.get(shown) ?? 0));
      this.rows.push(line, Number.NaN, 0);
      this.rows.say(lane, kind, now);
      if (shown !== undefined) mapped.set(shown, now);
    }
  }

  get spaces(): Space[] {
    return this.#shown.map(({ space }) => space);
  }

  contents({ number }: Space, event: number): Contents | undefined {
    return this.#shown[number]!.contents[event];
  }

  changes(from: number, to: number, visit: (change: ChangeRow) => void): void {
    changesOfWindows(this.#steps[from]?.windows ?? [], this.#steps[to]?.windows ?? [], visit);
  }

  draw({ number }: Space, picture: LifePicture): void {
    const { contents } = this.#shown[number]!;
    // A script is short: what a step changed is looked for row by row.
    const alive = new Map<string, { start: number; first: number; pages: number }>();
    for (const [event, one] of contents.entries()) {
      const now = new Set<string>();
      one?.forEachRow({ first: 0, end: Number.POSITIVE_INFINITY }, ({ first, pages, target, access }) => {
        const key = `${first} ${pages} ${target} ${access}`;
        now.add(key);
        if (!alive.has(key)) alive.set(key, { start: event, first, pages });
      });
      for (const [key, { start, first, pages }] of alive) {
        if (now.has(key)) continue;
        picture.add(start, event, first, pages);
        alive.delete(key);
      }
    }
    for (const { start, first, pages } of alive.values())
      picture.add(start, Number.POSITIVE_INFINITY, first, pages);
  }

  lengths(): LifeLengths {
    return [];
  }

  async linesOf(events: readonly number[]): Promise<FileLine[]> {
    if (!this.hasLines) return [];
    return events.map((event) => {
      const line = this.rows.lineOf(event);
      return { line, event, text: this.#lines[line - 1] ?? "" };
    });
  }

  async lines(event: number, before: number, after: number): Promise<FileLine[]> {
    if (!this.hasLines) return [];
    const line = this.rows.lineOf(event);
    const first = Math.max(1, line - before);
    return this.#lines.slice(first - 1, line + after).map((text, i) => {
      const at = this.rows.eventAtLine(first + i);
      return { line: first + i, event: this.rows.lineOf(at) === first + i ? at : -1, text };
    });
  }
}

const kindOf = (difference: number): number =>
  EVENT_CLASSES.indexOf(difference > 0 ? "map" : difference < 0 ? "unmap" : "other");

/** The spaces of all moments, each with what is in it at each of them. */
function shownOf(steps: readonly ShownStep[], rows: EventRows): Shown[] {
  const shown = new Map<string, { space: Space; contents: (Contents | undefined)[] }>();
  const at = (key: string, step: number, make: (number: number) => Space, contents: Contents): void => {
    let one = shown.get(key);
    if (one === undefined) {
      one = { space: make(shown.size), contents: [] };
      shown.set(key, one);
    }
    one.contents[step] = contents;
    one.space = { ...one.space, pages: Math.max(one.space.pages, make(0).pages), until: step + 1 };
  };
  for (const [step, { windows, spaces }] of steps.entries()) {
    for (const window of windows.filter(({ entries }) => entries > 0)) {
      const { liobn, busOffset, pageShift, entries, assumedParts } = window;
      const name = hex(liobn);
      const make = (number: number): Space => ({
        number,
        name,
        kind: "window",
        lane: rows.lane(name),
        start: busOffset,
        pageShift,
        pages: entries,
        from: step,
        until: step + 1,
        assumed: assumedParts,
      });
      at(`${name} ${busOffset} ${pageShift} ${entries}`, step, make, new WindowContents(window));
    }
    for (const { space: name, mappings } of spaces) {
      const last = mappings.flatMap(({ stretches }) => stretches.map((stretch) => stretch.last));
      const make = (number: number): Space => ({
        number,
        name,
        kind: "device",
        lane: rows.lane(name),
        start: 0n,
        pageShift: MAPPING_PAGE_SHIFT,
        pages: Number(last.reduce(maxBig, 0n) >> BigInt(MAPPING_PAGE_SHIFT)) + 1,
        from: step,
        until: step + 1,
        assumed: [],
      });
      at(name, step, make, new MappingContents(mappings));
    }
  }
  const all = [...shown.values()];
  // What is there at the end stays there.
  for (const one of all)
    if (one.space.until === steps.length) one.space = { ...one.space, until: Number.POSITIVE_INFINITY };
  return all;
}
