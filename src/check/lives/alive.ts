import { TOP_FRAMES } from "../../formats/trace/call-stacks.ts";
import { AliveLives } from "./alive-lives.ts";
import type { AddressRange, Life, LifeSink, LifeStretch } from "./life.ts";

/**
 * A mapping that is alive, with what is left of it.
 *
 * @public
 */
export interface AliveMapping {
  readonly life: Life;
  /** Addresses that are still mapped, and the memory behind them. */
  readonly stretches: readonly LifeStretch[];
  /** Bytes that are still mapped. */
  readonly left: bigint;
}

/**
 * What mappings are grouped by.
 *
 * @public
 */
export const GROUP_KEYS = ["space", "access", "size", "comm", "stack"] as const;

/**
 * One of {@link GROUP_KEYS}: device or window, direction or permission, bytes, the task that mapped it, and the first
 * callers on its call stack, where the recording has these.
 *
 * @public
 */
export type GroupKey = (typeof GROUP_KEYS)[number];

/**
 * Mappings that have the same of what they are grouped by; undefined is what they are not grouped by, or what the
 * recording does not tell.
 *
 * @public
 */
export interface AliveGroup {
  readonly space: string | undefined;
  readonly access: string | undefined;
  readonly size: bigint | undefined;
  readonly comm: string | undefined;
  /** The first callers that they have in common. */
  readonly stack: readonly string[] | undefined;
  readonly bytes: bigint;
  readonly oldest: AliveMapping;
  /** In the order that was asked for. */
  readonly mappings: readonly AliveMapping[];
}

/**
 * An order of mappings: the oldest, the largest or the lowest one first.
 *
 * @public
 */
export type AliveOrder = "age" | "size" | "address";

/**
 * What is mapped at the addresses of a device or container, from the lowest on.
 *
 * @public
 */
export interface SpaceState {
  readonly space: string;
  readonly mappings: readonly AliveMapping[];
}

/** Keeps what is alive, up to the moment. */
export class AliveWatch implements LifeSink {
  readonly #alive = new AliveLives();
  #found: AliveMapping[] | undefined;

  begin(life: Life): void {
    this.#alive.begin(life);
  }

  end(life: Life, gone: AddressRange | undefined): void {
    this.#alive.end(life, gone);
  }

  use(): void {}

  reached(): void {
    this.#found = [...this.#alive].map((life) => {
      const stretches = this.#alive.stretches(life);
      return {
        life,
        stretches,
        left: stretches.reduce((sum, { first, last }) => sum + last - first + 1n, 0n),
      };
    });
  }

  /** What was alive at the moment, the oldest first. */
  get found(): readonly AliveMapping[] {
    return this.#found ?? [];
  }
}

/**
 * Groups mappings, each group and all of them in one order.
 *
 * @param mappings the oldest first
 * @param by default: all of {@link GROUP_KEYS}
 * @public
 */
export function groupAlive(
  mappings: readonly AliveMapping[],
  by: readonly GroupKey[] = GROUP_KEYS,
  order: AliveOrder = "age",
): AliveGroup[] {
  const groups = new Map<string, AliveMapping[]>();
  for (const mapping of mappings) {
    const keys = keysOf(mapping);
    const key = JSON.stringify(by.map((name) => keys[name]?.toString() ?? null));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [mapping]);
    else group.push(mapping);
  }
  const all = [...groups.values()].map((group): AliveGroup => {
    const keys = keysOf(group[0]!);
    const has = (name: GroupKey): boolean => by.includes(name);
    return {
      space: has("space") ? keys.space : undefined,
      access: has("access") ? keys.access : undefined,
      size: has("size") ? keys.size : undefined,
      comm: has("comm") ? keys.comm : undefined,
      stack: has("stack") ? keys.stack : undefined,
      bytes: bytesOf(group),
      oldest: group[0]!,
      mappings: order === "age" ? group : group.toSorted(COMPARE[order]),
    };
  });
  // Groups came in the order of their oldest mapping.
  if (order === "size") all.sort((a, b) => compare(b.bytes, a.bytes));
  if (order === "address") all.sort((a, b) => COMPARE.address(a.mappings[0]!, b.mappings[0]!));
  return all;
}

/** All bytes that are still mapped. */
export const bytesOf = (mappings: readonly AliveMapping[]): bigint =>
  mappings.reduce((sum, { left }) => sum + left, 0n);

const keysOf = ({ life }: AliveMapping) => ({
  space: life.space,
  access: life.access,
  size: life.bytes,
  comm: life.made?.task,
  stack: life.made?.stack?.slice(0, TOP_FRAMES),
});

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

const COMPARE = {
  size: (a: AliveMapping, b: AliveMapping): number => compare(b.left, a.left),
  address: (a: AliveMapping, b: AliveMapping): number =>
    compare(a.stretches[0]!.first, b.stretches[0]!.first),
};

/** Mappings by the space that they are in, from the lowest address on. */
export function spacesOf(mappings: readonly AliveMapping[]): SpaceState[] {
  const groups = groupAlive(mappings, ["space"], "address");
  const spaces = groups.map(({ space, mappings }) => ({ space: space!, mappings }));
  return spaces.sort((a, b) => (a.space < b.space ? -1 : 1));
}

/**
 * A mapping that came or went between two states.
 *
 * @public
 */
export interface SpaceChange {
  readonly what: "mapped" | "unmapped";
  readonly mapping: AliveMapping;
}

/**
 * Compares two states. Who mapped something does not count: what was unmapped and is mapped again to the same did not
 * change.
 *
 * @returns by space, what went before what came, from the lowest address on
 * @public
 */
export function diffSpaces(before: readonly SpaceState[], after: readonly SpaceState[]): SpaceChange[] {
  const names = [...new Set([...before, ...after].map(({ space }) => space))].sort();
  return names.flatMap((name) => {
    const [was, is] = [before, after].map((all) => all.find(({ space }) => space === name)?.mappings ?? []);
    return [
      ...without(was!, is!).map((mapping) => ({ what: "unmapped" as const, mapping })),
      ...without(is!, was!).map((mapping) => ({ what: "mapped" as const, mapping })),
    ];
  });
}

/** Mappings of a state that another one has not; one address can be mapped several times. */
function without(mappings: readonly AliveMapping[], others: readonly AliveMapping[]): AliveMapping[] {
  const there = new Map<string, number>();
  for (const other of others) there.set(contentOf(other), (there.get(contentOf(other)) ?? 0) + 1);
  return mappings.filter((mapping) => {
    const left = there.get(contentOf(mapping)) ?? 0;
    if (left > 0) there.set(contentOf(mapping), left - 1);
    return left === 0;
  });
}

const contentOf = ({ life, stretches }: AliveMapping): string =>
  `${life.access} ${stretches.map(({ first, last, target }) => `${first} ${last} ${target}`).join(" ")}`;
