/**
 * What a document may be: each shape reads a value into a type, names place and value of what does not fit, and is the
 * part of a JSON Schema that says the same. A kind of document is described once, with these.
 *
 * @module
 */

import { formatCount, formatSize, parseSize } from "../base/units.ts";
import { errorAt, type Located, type LocatedMembers, showLocated } from "./located.ts";
import { suggestion } from "./suggestion.ts";

/** A part of a JSON Schema. */
export type SchemaPart = Readonly<Record<string, unknown>>;

/** What a value may be. */
export interface Shape<T> {
  /** @throws IommuError BAD_FILE with the place */
  read(at: Located): T;
  readonly schema: SchemaPart;
}

/** A member of an object. */
export interface Member<T> {
  readonly shape: Shape<unknown>;
  readonly about: string;
  readonly isRequired: boolean;
  /** Only the type of what is read. */
  readonly type?: T;
}

type Members = Readonly<Record<string, Member<unknown>>>;
/** What an object with such members is read into; one that is left out is undefined. */
export type ReadMembers<M extends Members> = {
  readonly [Name in keyof M]: M[Name] extends Member<infer T> ? T : never;
};

/** A member that must be there. */
export const required = <T>(shape: Shape<T>, about: string): Member<T> => ({
  shape,
  about,
  isRequired: true,
});

/** A member that may be left out. */
export const optional = <T>(shape: Shape<T>, about: string): Member<T | undefined> => ({
  shape,
  about,
  isRequired: false,
});

const wrong = (at: Located, expected: string): Error =>
  errorAt(at.place, `${showLocated(at)}: expected ${expected}`);

/** A text; whole numbers of a YAML file are texts, too, where one is wanted (`kernel: 6.12` needs quotes, 7 does not). */
export const text = (pattern?: RegExp, expected = "a text"): Shape<string> => ({
  read(at) {
    if (typeof at.value === "string" && (pattern?.test(at.value) ?? true)) return at.value;
    throw wrong(at, expected);
  },
  schema: { type: "string", ...(pattern === undefined ? {} : { pattern: pattern.source }) },
});

export const flag: Shape<boolean> = {
  read(at) {
    if (typeof at.value === "boolean") return at.value;
    throw wrong(at, "true or false");
  },
  schema: { type: "boolean" },
};

/** One of some names. */
export const choice = <const Name extends string>(names: readonly Name[], what: string): Shape<Name> => ({
  read(at) {
    const name = names.find((other) => other === at.value);
    if (name !== undefined) return name;
    const near = typeof at.value === "string" ? suggestion(at.value, names) : "";
    throw errorAt(
      at.place,
      `${showLocated(at)} is no ${what}${near === "" ? ": there" : `${near} There`} are ${names.join(", ")}`,
    );
  },
  schema: { enum: names },
});

export const whole = (min: number, max: number): Shape<number> => ({
  read(at) {
    const { value } = at;
    if (typeof value === "bigint" && value >= min && value <= max) return Number(value);
    throw wrong(at, `a whole number from ${formatCount(min)} to ${formatCount(max)}`);
  },
  schema: { type: "integer", minimum: min, maximum: max },
});

const SIZE = "^(?:0[xX][0-9a-fA-F]+|[0-9]+(?:[KMGTPE]?(?:iB)?))$";

/** A size or an address from `min` to `max`: a whole number, or a text such as `4G` or `0x10000`. */
export const size = (max: bigint, multipleOf = 1n, min = 0n): Shape<bigint> => ({
  read(at) {
    const { value } = at;
    let bytes = -1n;
    if (typeof value === "bigint") bytes = value;
    else if (typeof value === "string" && new RegExp(SIZE).test(value)) {
      try {
        bytes = parseSize(value);
      } catch {
        throw errorAt(at.place, `${showLocated(at)} does not fit into 64 bits`);
      }
    }
    if (bytes < 0n) throw wrong(at, "a size such as 4G, 64K, 4096 or 0x1000");
    if (bytes > max) throw errorAt(at.place, `${showLocated(at)} is more than ${formatSize(max)}`);
    if (bytes % multipleOf !== 0n)
      throw errorAt(at.place, `${showLocated(at)} is no multiple of ${formatSize(multipleOf)}`);
    if (bytes < min) throw errorAt(at.place, `${showLocated(at)} is less than ${formatSize(min)}`);
    return bytes;
  },
  schema: {
    anyOf: [
      { type: "integer", minimum: 0 },
      { type: "string", pattern: SIZE },
    ],
  },
});

/** A list of at most so many, and of at least `min`. */
export const list = <T>(item: Shape<T>, max: number, min = 0): Shape<readonly T[]> => ({
  read(at) {
    const { value } = at;
    if (!Array.isArray(value)) throw wrong(at, "a list");
    const items = value as readonly Located[];
    if (items.length > max)
      throw errorAt(
        at.place,
        `a list of ${formatCount(items.length)}: there may be at most ${formatCount(max)}`,
      );
    if (items.length < min)
      throw errorAt(at.place, `a list of ${items.length}: there must be ${min} at least`);
    return items.map((one) => item.read(one));
  },
  schema: { type: "array", items: item.schema, maxItems: max, ...(min === 0 ? {} : { minItems: min }) },
});

/** An object of such members, and no others. */
export const object = <M extends Members>(what: string, members: M): Shape<ReadMembers<M>> => {
  const names = Object.keys(members);
  const needed = names.filter((name) => members[name]!.isRequired);
  return {
    read(at) {
      if (!(at.value instanceof Map)) throw wrong(at, `${what}: an object with ${names.join(", ")}`);
      const given = at.value as LocatedMembers;
      for (const [name, { namePlace }] of given) {
        if (!names.includes(name)) throw unknownName(namePlace, "member", name, what, names);
      }
      const missing = needed.find((name) => !given.has(name));
      if (missing !== undefined) throw errorAt(at.place, `${what} without "${missing}"`);
      const read = names.map((name) => {
        const member = given.get(name);
        return [name, member === undefined ? undefined : members[name]!.shape.read(member)] as const;
      });
      return Object.fromEntries(read) as ReadMembers<M>;
    },
    schema: {
      type: "object",
      properties: Object.fromEntries(
        names.map((name) => [name, { ...members[name]!.shape.schema, description: members[name]!.about }]),
      ),
      ...(needed.length === 0 ? {} : { required: needed }),
      additionalProperties: false,
    },
  };
};

/** What of several kinds a value is, with what it says: `{kind, ...}`. */
export type Tagged<Kinds extends Readonly<Record<string, Shape<object>>>> = {
  readonly [Kind in keyof Kinds]: { readonly kind: Kind } & (Kinds[Kind] extends Shape<infer T> ? T : never);
}[keyof Kinds];

/**
 * An object with one member, whose name is the kind of what it is, such as `kexec: {}`. A kind that needs nothing may be
 * written as its name alone.
 */
export const tagged = <const Kinds extends Readonly<Record<string, Shape<object>>>>(
  what: string,
  kinds: Kinds,
): Shape<Tagged<Kinds>> => {
  const names = Object.keys(kinds);
  const isBare = (name: string): boolean => kinds[name]!.schema.required === undefined;
  /** What every object of JavaScript has, such as `toString`, is no kind. */
  const kindOf = (name: string, place: string): Shape<object> => {
    if (Object.hasOwn(kinds, name)) return kinds[name]!;
    throw unknownName(place, what, name, "", names);
  };
  return {
    read(at) {
      const { value } = at;
      if (typeof value === "string") {
        return {
          kind: value,
          ...kindOf(value, at.place).read({ value: new Map(), place: at.place }),
        } as Tagged<Kinds>;
      }
      if (!(value instanceof Map) || value.size !== 1)
        throw wrong(at, `one ${what}, such as {${names[0]}: {...}}`);
      const [[name, member]] = value as unknown as [[string, Located & { namePlace: string }]];
      const shape = kindOf(name, member.namePlace);
      const inner = member.value === null ? { ...member, value: new Map() } : member;
      return { kind: name, ...shape.read(inner) } as Tagged<Kinds>;
    },
    schema: {
      oneOf: [
        { enum: names.filter(isBare) },
        ...names.map((name) => ({
          type: "object",
          properties: {
            [name]: isBare(name) ? { anyOf: [kinds[name]!.schema, { type: "null" }] } : kinds[name]!.schema,
          },
          required: [name],
          additionalProperties: false,
        })),
      ],
    },
  };
};

function unknownName(place: string, what: string, name: string, of: string, names: readonly string[]): Error {
  const near = suggestion(name, names);
  const shown = JSON.stringify(name.slice(0, 60));
  const owner = of === "" ? "" : ` of ${of}`;
  return errorAt(
    place,
    `unknown ${what} ${shown}${owner}${near === "" ? ": there" : `${near} There`} are ${names.join(", ")}`,
  );
}
