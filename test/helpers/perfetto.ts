import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/**
 * Reads Perfetto's traces with a protobuf reader that is not ours, and knows
 * what its trace processor asks of them.
 *
 * @module
 */

/** Fields of a message by number; what is inside of bytes is decoded by those who know. */
export type Fields = Map<number, (bigint | number | Uint8Array)[]>;

export function decode(bytes: Uint8Array): Fields {
  const reader = new BinaryReader(bytes);
  const fields: Fields = new Map();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const value =
      type === WireType.Varint
        ? BigInt(reader.uint64())
        : type === WireType.LengthDelimited
          ? reader.bytes()
          : type === WireType.Bit64
            ? reader.double()
            : undefined;
    if (value === undefined) throw new Error(`wire type ${type} of field ${field}`);
    const values = fields.get(field);
    if (values === undefined) fields.set(field, [value]);
    else values.push(value);
  }
  return fields;
}

export const numberOf = (fields: Fields, field: number): bigint | undefined =>
  fields.get(field)?.[0] as bigint | undefined;
export const bytesOf = (fields: Fields, field: number): Uint8Array | undefined =>
  fields.get(field)?.[0] as Uint8Array | undefined;
export const textOf = (fields: Fields, field: number): string =>
  new TextDecoder().decode(bytesOf(fields, field));

/** The packets of a file, each as it is. */
export const packetsOf = (file: Uint8Array): Uint8Array[] => decode(file).get(1) as Uint8Array[];

const MAX_TIME = 2n ** 63n;
const CLEARED = 1n;
const [BEGIN, END, INSTANT, COUNTER] = [1n, 2n, 3n, 4n];

interface Track {
  readonly isCounter: boolean;
  /** Slices that have begun and not ended. */
  depth: number;
}

/**
 * What the trace processor would count as an error, or drop, or show as
 * something that it is not: one sentence for each.
 */
export function perfettoMistakes(packets: readonly Uint8Array[]): string[] {
  const mistakes: string[] = [];
  const tracks = new Map<bigint, Track>();
  const events: { readonly time: bigint; readonly fields: Fields }[] = [];
  packets.forEach((bytes, i) => {
    const packet = decode(bytes);
    const sequence = numberOf(packet, 10) ?? 0n;
    if (sequence === 0n) mistakes.push(`packet ${i}: no sequence`);
    if (i === 0 && (numberOf(packet, 13) ?? 0n) % 2n !== CLEARED)
      mistakes.push("the first packet needs earlier ones");
    const descriptor = bytesOf(packet, 60);
    const event = bytesOf(packet, 11);
    if ((descriptor === undefined) === (event === undefined)) mistakes.push(`packet ${i}: not one thing`);
    if (descriptor !== undefined) readDescriptor(decode(descriptor), tracks, mistakes);
    if (event === undefined) return;
    const time = numberOf(packet, 8);
    if (time === undefined || time >= MAX_TIME) mistakes.push(`packet ${i}: no time of 63 bits`);
    const fields = decode(event);
    // In the order of the file: a track of which nothing was said yet would be made up.
    if (!tracks.has(numberOf(fields, 11) ?? 0n)) mistakes.push(`packet ${i}: an unknown track`);
    else events.push({ time: time ?? 0n, fields });
  });
  // The trace processor sorts by time, and keeps the order of the file where times are the same.
  events.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  for (const { fields } of events) readEvent(fields, tracks.get(numberOf(fields, 11)!)!, mistakes);
  return mistakes;
}

function readDescriptor(fields: Fields, tracks: Map<bigint, Track>, mistakes: string[]): void {
  const uuid = numberOf(fields, 1) ?? 0n;
  const name = textOf(fields, 2);
  const parent = numberOf(fields, 5);
  if (uuid === 0n) mistakes.push(`track "${name}": no uuid`);
  if (tracks.has(uuid)) mistakes.push(`track "${name}": uuid ${uuid} is taken`);
  if (name === "") mistakes.push(`track ${uuid}: no name`);
  if (parent !== undefined && !tracks.has(parent))
    mistakes.push(`track "${name}": no parent ${parent} before it`);
  if (parent !== undefined && tracks.get(parent)?.isCounter)
    mistakes.push(`track "${name}": below a counter`);
  const counter = bytesOf(fields, 8);
  tracks.set(uuid, { isCounter: counter !== undefined, depth: 0 });
  if (counter === undefined) return;
  const unit = decode(counter);
  if (numberOf(unit, 3) === undefined && textOf(unit, 6) === "") mistakes.push(`counter "${name}": no unit`);
}

function readEvent(fields: Fields, track: Track, mistakes: string[]): void {
  const type = numberOf(fields, 9);
  const uuid = numberOf(fields, 11);
  if (type === COUNTER) {
    if (!track.isCounter) mistakes.push(`track ${uuid}: a value, and no counter`);
    if (!fields.has(30)) mistakes.push(`counter ${uuid}: no value`);
    return;
  }
  if (track.isCounter) mistakes.push(`counter ${uuid}: a slice`);
  if (type === BEGIN || type === INSTANT) {
    if (textOf(fields, 23) === "") mistakes.push(`track ${uuid}: a slice without a name`);
    if (textOf(fields, 22) === "") mistakes.push(`track ${uuid}: a slice without a category`);
  }
  if (type === BEGIN) {
    // A stack would show them as if one had called the other.
    if (track.depth++ > 0) mistakes.push(`track ${uuid}: slices overlap`);
  } else if (type === END) {
    if (track.depth === 0) mistakes.push(`track ${uuid}: an end without a begin`);
    else track.depth--;
  } else if (type !== INSTANT) mistakes.push(`track ${uuid}: an event of type ${type}`);
  for (const bytes of (fields.get(4) ?? []) as Uint8Array[]) {
    const note = decode(bytes);
    if (textOf(note, 10) === "" || note.size !== 2)
      mistakes.push(`track ${uuid}: an annotation that is none`);
  }
}
