import { IommuError } from "../base/errors.ts";

const LONGEST_SHOWN = 60;

/**
 * What a monitor answered, or a part of it. It is read member by member, since
 * the other end may be anything: what is missing or of another type is an error
 * that names command and place.
 *
 * @public
 */
export class QmpAnswer {
  readonly value: unknown;
  /** The command, and the way to this part: `query-status.status`. */
  readonly place: string;

  constructor(value: unknown, place: string) {
    this.value = value;
    this.place = place;
  }

  /** A member of an object. @throws IommuError PEER if this is no object, or has no such member */
  get(name: string): QmpAnswer {
    return this.optional(name) ?? this.#refuse(`an object with "${name}"`);
  }

  /** A member, or undefined. @throws IommuError PEER if this is no object */
  optional(name: string): QmpAnswer | undefined {
    const { value } = this;
    if (typeof value !== "object" || value === null || Array.isArray(value)) this.#refuse("an object");
    const members = value as Record<string, unknown>;
    return Object.hasOwn(members, name) ? new QmpAnswer(members[name], `${this.place}.${name}`) : undefined;
  }

  /** @throws IommuError PEER if this is no list */
  get list(): QmpAnswer[] {
    if (!Array.isArray(this.value)) this.#refuse("a list");
    return (this.value as unknown[]).map((item, i) => new QmpAnswer(item, `${this.place}[${i}]`));
  }

  /** @throws IommuError PEER if this is no text */
  get text(): string {
    if (typeof this.value !== "string") this.#refuse("a text");
    return this.value as string;
  }

  /** @throws IommuError PEER if this is neither true nor false */
  get truth(): boolean {
    if (typeof this.value !== "boolean") this.#refuse("true or false");
    return this.value as boolean;
  }

  /**
   * A whole number of at most 64 bits. JSON's numbers are exact for those with at most 53 significant bits, which all
   * addresses and sizes of windows have.
   *
   * @throws IommuError PEER if this is no such number
   */
  get whole(): bigint {
    const { value } = this;
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value >= 2 ** 64) {
      this.#refuse("a whole number of 64 bits");
    }
    return BigInt(value as number);
  }

  #refuse(wanted: string): never {
    const found = (JSON.stringify(this.value) ?? "nothing").slice(0, LONGEST_SHOWN);
    throw new IommuError("PEER", `the monitor's answer ${this.place} is ${found}, not ${wanted}`, {
      answer: this.place,
    });
  }
}
