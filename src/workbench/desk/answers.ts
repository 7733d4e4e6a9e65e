import { IommuError } from "../../base/errors.ts";
import type { CallName, Calls, ChangeRow, Lanes, Space, SpaceAt, Totals } from "../protocol.ts";
import { EVENT_CLASSES } from "../protocol.ts";
import type { Steps } from "./breathe.ts";
import { changesOf } from "./changes.ts";
import { type Contents, emptyCells } from "./contents.ts";
import { LifePicture } from "./life-picture.ts";
import { MappingContents } from "./mapping-contents.ts";
import { type InstantState, type Recording, spacesAt } from "./recording.ts";
import { RowLayout } from "./row-layout.ts";
import type { Stretch } from "./used-rows.ts";
import { WindowContents } from "./window-contents.ts";

type Ask<Name extends CallName> = Calls[Name]["ask"];
type Answer<Name extends CallName> = Calls[Name]["answer"];

export const secondsOf = ({ rows }: Recording, { event }: Ask<"secondsOf">): Answer<"secondsOf"> => ({
  seconds: rows.secondsOf(event),
  line: rows.lineOf(event),
});

export const lanesOf = ({ rows }: Recording, { axis, from, to, columns }: Ask<"lanes">): Lanes =>
  rows.columns(axis, from, to, columns);

export function spacesOf(recording: Recording, { event }: Ask<"spaces">): SpaceAt[] {
  return spacesAt(recording, event).map((space) => {
    const { mapped = 0, inferred = 0, unknown = 0 } = recording.contents(space, event) ?? {};
    return { ...space, mapped, inferred, unknown };
  });
}

export function spaceOf(recording: Recording, number: number): Space {
  const space = recording.spaces.find((one) => one.number === number);
  if (space === undefined) throw new IommuError("BAD_ARGUMENT", `there is no space ${number}`);
  return space;
}

/**
 * @param used rows that were ever used
 * @param before what is in the space at the instant that it is compared with, undefined if it is not there
 */
export function cellsOf(
  recording: Recording,
  ask: Ask<"cells">,
  used: readonly Stretch[],
  before: Contents | undefined,
): Answer<"cells"> {
  const space = spaceOf(recording, ask.space);
  const layout = new RowLayout(used, space.pages, ask.open);
  const rows = ask.view === undefined ? layout.fit(ask.rows) : layout.rows(ask.view, ask.rows);
  const cells = emptyCells(ask.space, rows, ask.before !== undefined);
  const now = recording.contents(space, ask.event);
  now?.fill(cells, ask.detail);
  if (ask.before === undefined) return cells;
  if (now instanceof WindowContents && before instanceof WindowContents) now.compare(before, cells);
  else if (now instanceof MappingContents && before instanceof MappingContents) now.compare(before, cells);
  else if (now !== undefined && before === undefined) cells.came.set(cells.mapped);
  return cells;
}

/** How much of a space is mapped, in so many equal parts. */
export function minimapOf(
  recording: Recording,
  { event, space: number, parts }: Ask<"minimap">,
): Answer<"minimap"> {
  const space = spaceOf(recording, number);
  const mapped = new Float64Array(parts);
  const contents = recording.contents(space, event);
  const placeOf = (part: number): number => Math.floor((part * space.pages) / parts);
  if (contents !== undefined)
    for (let part = 0; part < parts; part++)
      mapped[part] = contents.mappedIn(placeOf(part), placeOf(part + 1));
  return { mapped };
}

export function rowsOf(
  recording: Recording,
  { event, space, first, end, limit }: Ask<"rows">,
): Answer<"rows"> {
  const contents = recording.contents(spaceOf(recording, space), event);
  return contents?.rows({ first, end }, limit) ?? { rows: [], more: 0 };
}

export function* livesOf(recording: Recording, ask: Ask<"lives">): Steps<Answer<"lives">> {
  const { rows } = recording;
  const isTime = ask.axis === "time";
  const eventOf = (at: number): number => (isTime ? rows.eventAtSeconds(at) : at);
  const picture = new LifePicture({ ...ask, from: eventOf(ask.from), to: eventOf(ask.to) });
  yield* recording.draw(spaceOf(recording, ask.space), picture);
  const { lines } = picture;
  const placeOf = (event: number): number => {
    if (event < 0) return Number.NaN;
    return isTime && event !== Number.POSITIVE_INFINITY ? rows.secondsOf(event) : event;
  };
  return { ...lines, starts: lines.starts.map(placeOf), ends: lines.ends.map(placeOf) };
}

export function totalsOf(recording: Recording, { space, from, to, first, end }: Ask<"totals">): Totals {
  const { rows } = recording;
  const one = spaceOf(recording, space);
  const counts = new Uint32Array(EVENT_CLASSES.length);
  rows.count(one.lane, Math.max(0, from), Math.min(rows.length, to + 1), counts, 0);
  const lengths = recording.lengths(one, from, to, first, end).sort((a, b) => a - b);
  const peak = rows.peak(one.lane, Math.max(0, from), Math.min(rows.length, to + 1));
  return {
    counts,
    peak,
    ended: lengths.length,
    medianLife: lengths[lengths.length >> 1] ?? Number.NaN,
    longestLife: lengths.at(-1) ?? Number.NaN,
  };
}

export function diffOf(after: InstantState, before: InstantState, limit: number): Answer<"diff"> {
  const rows: ChangeRow[] = [];
  let all = 0;
  changesOf(before, after, (change) => {
    if (all++ < limit) rows.push(change);
  });
  return { rows, all };
}

/** Who maps a place in memory. */
export function whoOf(recording: Recording, { event, target }: Ask<"who">): Answer<"who"> {
  const found: Answer<"who"> = [];
  for (const space of spacesAt(recording, event)) {
    const page = 1n << BigInt(space.pageShift);
    recording.contents(space, event)?.forEachRow({ first: 0, end: space.pages }, (row) => {
      if (row.target === undefined) return;
      const length = row.sameTarget ? page : row.bytes;
      if (target >= row.target && target < row.target + length) found.push({ space: space.number, row });
    });
  }
  return found;
}
