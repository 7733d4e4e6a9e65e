import type { QemuTraceEvent } from "../../../src/formats/trace/trace-event.ts";
import { findSchema, SCHEMAS } from "../../../src/formats/trace/trace-schema.ts";

/** Id of the first `spapr_iommu_*` event in the files made here; the ones below are of other events. */
const FIRST_ID = 7;
/** Names by id. */
export const EVENT_NAMES: readonly string[] = [
  ...Array.from({ length: FIRST_ID }, (_, id) => `other_event_${id}`),
  ...SCHEMAS.map(({ name }) => name),
];

/** Writes files of QEMU's simple trace backend, of every version and byte order. */
export class SimpleFile {
  readonly bytes: number[] = [];
  readonly #little: boolean;
  readonly #version: number;

  constructor(version: number, little: boolean) {
    this.#little = little;
    this.#version = version;
    for (const word of [0xffff_ffff_ffff_ffffn, 0xf2b1_77cb_0aa4_29b4n, BigInt(version)]) this.u64(word);
    if (version >= 4) EVENT_NAMES.forEach((name, id) => void this.mapping(id, name));
  }

  mapping(id: number, name: string): this {
    this.u64(0n).u64(BigInt(id)).u32(name.length);
    this.bytes.push(...new TextEncoder().encode(name));
    return this;
  }

  event(event: QemuTraceEvent, timeNs: bigint): this {
    const schema = findSchema(event.kind, event.pci);
    const values = schema.fields.map(
      ({ word }) => (BigInt(event.words[word]!) << 32n) | BigInt(event.words[word + 1]!),
    );
    this.#header(BigInt(FIRST_ID + SCHEMAS.indexOf(schema)), timeNs, values.length * 8);
    for (const value of values) this.u64(value);
    return this;
  }

  /** An event that is not the IOMMU's, with one string. */
  other(id: number, timeNs: bigint, text: string): this {
    this.#header(BigInt(id), timeNs, 4 + text.length);
    this.u32(text.length).bytes.push(...new TextEncoder().encode(text));
    return this;
  }

  /** An event with any arguments: texts and numbers. */
  record(id: number, values: readonly (string | bigint)[], timeNs = 0n): this {
    const lengths = values.map((value) => (typeof value === "string" ? 4 + value.length : 8));
    this.#header(
      BigInt(id),
      timeNs,
      lengths.reduce((sum, length) => sum + length, 0),
    );
    for (const value of values) {
      if (typeof value === "bigint") this.u64(BigInt.asUintN(64, value));
      else this.u32(value.length).bytes.push(...new TextEncoder().encode(value));
    }
    return this;
  }

  dropped(count: bigint, timeNs: bigint): this {
    this.#header(0xffff_ffff_ffff_fffen, timeNs, 8);
    return this.u64(count);
  }

  #header(id: bigint, timeNs: bigint, argumentBytes: number): void {
    if (this.#version >= 4) this.u64(1n);
    this.u64(id)
      .u64(timeNs)
      .u32(24 + argumentBytes)
      .u32(4321);
  }

  u64(value: bigint): this {
    const halves = [Number(value & 0xffff_ffffn), Number(value >> 32n)] as const;
    return this.#little ? this.u32(halves[0]).u32(halves[1]) : this.u32(halves[1]).u32(halves[0]);
  }

  u32(value: number): this {
    const bytes = [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
    this.bytes.push(...(this.#little ? bytes : bytes.reverse()));
    return this;
  }
}
