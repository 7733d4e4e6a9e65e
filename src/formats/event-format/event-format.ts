/**
 * Formats of events, as the kernel describes them in `events/SYSTEM/NAME/format` and as recordings carry them: kernels
 * differ in fields, in their places and in numbers of events.
 *
 * @module
 */

/** Where a field's value stands. */
export type FieldPlace =
  /** In the field. */
  | "here"
  /** `__data_loc`: the field holds length (high 16 bits) and place (low 16 bits) from the start of the event. */
  | "from-start"
  /** `__rel_loc`: the same from the end of the field. */
  | "from-field";

/** A field of an event. */
export interface EventField {
  readonly name: string;
  readonly place: FieldPlace;
  /** Place and size in bytes. */
  readonly offset: number;
  readonly size: number;
  /** Bytes of one value of a list. */
  readonly elementSize: number;
}

/** An event's format. */
export interface EventFormat {
  readonly system: string;
  readonly name: string;
  /** The number with which the event's data begins. */
  readonly id: number;
  readonly fields: ReadonlyMap<string, EventField>;
}

const NAME = /^name: (\S+)/m;
const ID = /^ID: (\d{1,5})$/m;
const FIELD = /^\tfield:([^;\n]{1,500});\s*offset:(\d{1,6});\s*size:(\d{1,6});/gm;
const DECLARATION = /^(__data_loc |__rel_loc )?(.*?)\b(\w+)(?:\[[^\]]*\])?$/;

/** Sizes of the types of values in the lists that are read; others are bytes. */
const ELEMENTS: readonly (readonly [RegExp, number])[] = [
  [/\b(?:u64|s64|long long|dma_addr_t|phys_addr_t)\b/, 8],
  [/\b(?:u32|s32|int)\b/, 4],
];

/** Reads the text of a format; undefined if it has no name or no number. */
export function parseEventFormat(system: string, text: string): EventFormat | undefined {
  const name = NAME.exec(text)?.[1];
  const id = ID.exec(text)?.[1];
  if (name === undefined || id === undefined || Number(id) > 0xffff) return undefined;
  const fields = new Map<string, EventField>();
  for (const [, declaration, offset, size] of text.matchAll(FIELD)) {
    const parts = DECLARATION.exec(declaration!.trim());
    if (parts === null) continue;
    const [, location, type, field] = parts;
    fields.set(field!, {
      name: field!,
      place: location === undefined ? "here" : location === "__data_loc " ? "from-start" : "from-field",
      offset: Number(offset),
      size: Number(size),
      elementSize: ELEMENTS.find(([pattern]) => pattern.test(type!))?.[1] ?? 1,
    });
  }
  return { system, name, id: Number(id), fields };
}
