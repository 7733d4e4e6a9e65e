import type { ChangeRow, FileLine, Space } from "../protocol.ts";
import type { Contents } from "./contents.ts";
import type { EventRows } from "./event-rows.ts";
import type { LifePicture } from "./life-picture.ts";

/** Lives that ended in a stretch: by how many events each lived. */
export type LifeLengths = number[];

/** An input that was read, or is being read: what the page can ask of it, whatever its format. */
export interface Recording {
  readonly format: string;
  readonly rows: EventRows;
  readonly spaces: readonly Space[];
  readonly notes: readonly string[];
  /** Does it have lines that can be shown? */
  readonly hasLines: boolean;
  /** What is in a space after an event; undefined if it is not there then. */
  contents(space: Space, event: number): Contents | undefined;
  /** Visits what is otherwise after one event than after another. */
  changes(from: number, to: number, visit: (change: ChangeRow) => void): void;
  /** Draws the mappings of a space. */
  draw(space: Space, picture: LifePicture): void;
  /** How long the mappings lived that ended in a stretch of events and pages. */
  lengths(space: Space, from: number, to: number, first: number, end: number): LifeLengths;
  /** The lines around an event. */
  lines(event: number, before: number, after: number): Promise<FileLine[]>;
  /** The lines of some events, in the order of these; a file that is no text is read once for all of them. */
  linesOf(events: readonly number[]): Promise<FileLine[]>;
}

/** The spaces that are there after an event. */
export const spacesAt = (recording: Recording, event: number): Space[] =>
  recording.spaces.filter(({ from, until }) => from <= event && event < until);
