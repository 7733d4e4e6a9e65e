import { hex, maxBig } from "../../base/u64.ts";
import type { Finding } from "../../check/findings/finding.ts";
import type { SpaceState } from "../../check/lives/alive.ts";
import { EVENT_CLASSES, type EventClass, type FileLine, type Space } from "../protocol.ts";
import type { Steps } from "./breathe.ts";
import type { Contents } from "./contents.ts";
import { EventRows } from "./event-rows.ts";
import type { LifeTaker } from "./life-picture.ts";
import { MAPPING_PAGE_SHIFT, MappingContents } from "./mapping-contents.ts";
import type { InstantState, LifeLengths, Recording } from "./recording.ts";
import { type ShownWindow, WindowContents } from "./window-contents.ts";

/** What an input shows at one moment; of a script, after one operation. */
export interface ShownStep {
  readonly line: number;
  /** What it is, unless something of a space came or went by it. */
  readonly kind: EventClass;
  /** The space that it names. */
  readonly names: string | undefined;
  readonly windows: readonly ShownWindow[];
  /** Mappings of devices, of an input that has no windows. */
  readonly spaces: readonly SpaceState[];
}

interface Shown {
  readonly space: Space;
  readonly contents: (Contents | undefined)[];
}

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
    for (const [i, { line, kind, names }] of steps.entries()) {
      // What is there from the beginning did not come.
      const came = this.#shown.find(
        ({ contents: { [i]: now, [i - 1]: was } }) => i > 0 && (now === undefined) !== (was === undefined),
      );
      const changed = this.#shown.find((one) => (one.contents[i]?.mapped ?? 0) !== (mapped.get(one) ?? 0));
      const named = this.#shown.find(
        ({ space, contents }) => space.name === names && contents[i] !== undefined,
      );
      const shown = came ?? changed ?? named ?? this.#shown[0];
      const lane = shown?.space.lane ?? this.rows.lane("machine");
      const now = shown?.contents[i]?.mapped ?? 0;
      const difference = shown === undefined ? 0 : now - (mapped.get(shown) ?? 0);
      const shownAs = EVENT_CLASSES.indexOf(classOf(kind, came !== undefined, difference));
      this.rows.mapped(lane, now);
      this.rows.push(line, lane, shownAs);
      if (shown !== undefined) mapped.set(shown, now);
    }
  }

  get spaces(): Space[] {
    return this.#shown.map(({ space }) => space);
  }

  contents({ number }: Space, event: number): Contents | undefined {
    return this.#shown[number]!.contents[event];
  }

  /** The check of a script counts what the machine traces, and not its operations: these stand at the same lines. */
  eventsOf({ lines }: Finding): number[] {
    return this.hasLines ? lines.map((line) => this.rows.eventAtLine(line)) : [];
  }

  stateAt(event: number): InstantState {
    return this.#steps[event] ?? { windows: [], spaces: [] };
  }

  *draw({ number }: Space, picture: LifeTaker): Steps<void> {
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
      yield;
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
    return this.#lines.slice(first - 1, line + after).map((text, i) => this.#lineOf(first + i, text));
  }

  async find(text: string, event: number, limit: number): Promise<FileLine[]> {
    const wanted = text.toLowerCase();
    const found = this.#lines.flatMap((line, i) =>
      line.toLowerCase().includes(wanted) ? [this.#lineOf(i + 1, line)] : [],
    );
    const from = found.findIndex((line) => line.event >= event);
    return [...found.slice(Math.max(0, from)), ...found.slice(0, Math.max(0, from))].slice(0, limit);
  }

  #lineOf(line: number, text: string): FileLine {
    const event = this.rows.eventAtLine(line);
    return { line, event: this.rows.lineOf(event) === line ? event : -1, text };
  }
}

/** What a step is shown as: what it did to the space that it changed. */
function classOf(kind: EventClass, isWindowChange: boolean, difference: number): EventClass {
  if (kind !== "other") return kind;
  if (isWindowChange) return "moment";
  return difference > 0 ? "map" : difference < 0 ? "unmap" : "other";
}

/** The spaces of all moments, each with what is in it at each of them. */
function shownOf(steps: readonly ShownStep[], rows: EventRows): Shown[] {
  const all: { space: Space; contents: (Contents | undefined)[] }[] = [];
  const newest = new Map<string, (typeof all)[number]>();
  const at = (key: string, step: number, make: (number: number) => Space, contents: Contents): void => {
    let one = newest.get(key);
    // What was away in between is another one.
    if (one === undefined || one.space.until < step) {
      one = { space: make(all.length), contents: [] };
      all.push(one);
      newest.set(key, one);
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
  // What is there at the end stays there.
  for (const one of all)
    if (one.space.until === steps.length) one.space = { ...one.space, until: Number.POSITIVE_INFINITY };
  return all;
}
