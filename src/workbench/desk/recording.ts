import type { Finding } from "../../check/findings/finding.ts";
import type { SpaceState } from "../../check/lives/alive.ts";
import type { WindowState } from "../../check/state/window-state.ts";
import type { FileLine, Space } from "../protocol.ts";
import type { Steps } from "./breathe.ts";
import type { Contents } from "./contents.ts";
import type { EventRows } from "./event-rows.ts";
import type { LifeTaker } from "./life-picture.ts";

/** Lives that are drawn in one step: a millisecond or two, as a move of the playhead waits for it. */
export const STEP_LIVES: number = 2 ** 13;

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
  /** The events of a finding. */
  eventsOf(finding: Finding): readonly number[];
  /** What is in a space after an event; undefined if it is not there then. */
  contents(space: Space, event: number): Contents | undefined;
  /** What all is mapped after an event. */
  stateAt(event: number): InstantState;
  /** Tells of all mappings of a space. */
  draw(space: Space, picture: LifeTaker): Steps<void>;
  /** How long the mappings lived that ended in a stretch of events and pages. */
  lengths(space: Space, from: number, to: number, first: number, end: number): LifeLengths;
  /** The lines around an event. */
  lines(event: number, before: number, after: number): Promise<FileLine[]>;
  /** The lines of some events, in the order of these; a file that is no text is read once for all of them. */
  linesOf(events: readonly number[]): Promise<FileLine[]>;
  /**
   * Lines that have a text in them, whatever its case, from an event on and around the end.
   *
   * @param goesOn asked now and then
   */
  find(text: string, event: number, limit: number, goesOn: () => boolean): Promise<FileLine[]>;
}

/** Windows and mappings of devices at a moment; a file has one of the two. */
export interface InstantState {
  readonly windows: readonly WindowState[];
  readonly spaces: readonly SpaceState[];
}

/** The spaces that are there after an event. */
export const spacesAt = (recording: Recording, event: number): Space[] =>
  recording.spaces.filter(({ from, until }) => from <= event && event < until);
