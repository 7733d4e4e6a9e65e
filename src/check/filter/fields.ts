/**
 * What a filter can ask of an event.
 *
 * @module
 */

/** Takes an event, or leaves it out. Makes no object. The context has what the event's numbers stand for. */
export type Filter<Event, Context> = (event: Event, context: Context) => boolean;

/** A number of 64 bits in halves. */
export interface NumberField<Event> {
  readonly type: "number";
  /** Does an event have the field? The other methods are for those that do. */
  has(event: Event): boolean;
  hi(event: Event): number;
  lo(event: Event): number;
  /** Are numbers from 2^63 on negative? */
  readonly signed: boolean;
  /** Words that stand for a number. */
  readonly words: Readonly<Record<string, number>>;
}

/** Several numbers: a comparison holds if it holds for one of them. */
export interface ListField<Event> {
  readonly type: "list";
  has(event: Event): boolean;
  /** High, then low half of each number. */
  list(event: Event): { readonly words: Uint32Array; readonly length: number };
}

/** A text; undefined where a recording does not have it. */
export interface TextField<Event, Context> {
  readonly type: "text";
  has(event: Event): boolean;
  text(event: Event, context: Context): string | undefined;
}

/** A field of an event, by what it can be compared with. */
export type FilterField<Event, Context> = NumberField<Event> | ListField<Event> | TextField<Event, Context>;

/** The fields of the events that a filter names. */
export interface FilterFields<Event, Context> {
  /** The field of a name; undefined if none of the events has it. */
  find(name: string): FilterField<Event, Context> | undefined;
  /** Names of all fields, for messages. */
  readonly names: readonly string[];
}
