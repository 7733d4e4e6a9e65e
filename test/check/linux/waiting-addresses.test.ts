import { describe, expect, it } from "vitest";
import { WaitingAddresses } from "../../../src/check/linux/waiting-addresses.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { same } from "../../helpers/same.ts";

/** Something that waits, and counts how often it is looked at. */
class Counted {
  looks = 0;
  readonly #last: bigint;

  constructor(last: bigint) {
    this.#last = last;
  }

  get last(): bigint {
    this.looks++;
    return this.#last;
  }
}

const STRETCH = 65_536n;

describe("addresses that wait for a mapping", () => {
  it("are those that a list would have, whatever comes and goes", () => {
    const random = new Random(runSeed());
    const waiting = new WaitingAddresses<{ readonly last: bigint }>();
    let model: { device: string; last: bigint }[] = [];
    for (let i = 0; i < 3000; i++) {
      const device = random.pick(["a", "b"]);
      const first = BigInt(random.below(5000)) * STRETCH + BigInt(random.below(3));
      if (random.chance(0.7)) {
        if (model.some((other) => other.device === device && other.last / STRETCH === first / STRETCH))
          continue;
        const group = { device, last: first };
        waiting.add(device, group);
        model.push(group);
      } else {
        const last = first + BigInt(random.below(100)) * STRETCH - 1n;
        const has = (group: (typeof model)[number]): boolean =>
          group.device === device && group.last >= first && group.last <= last;
        const expected = model.filter(has).sort((a, b) => Number(a.last - b.last));
        expect(waiting.take(device, first, last)).toEqual(expected);
        model = model.filter((group) => !has(group));
      }
      same(waiting.isEmpty, model.length === 0);
    }
    waiting.clear();
    expect(waiting.isEmpty).toBe(true);
  });

  it("are not all looked at for each mapping", () => {
    const waiting = new WaitingAddresses<Counted>();
    const all = Array.from({ length: 10_000 }, (_, i) => new Counted(BigInt(i) * STRETCH));
    for (const one of all) waiting.add("device", one);
    const looks = (): number => all.reduce((sum, one) => sum + one.looks, 0);
    // Twice a binary search among 2^14 for each.
    const most = 2 * 14;
    expect(looks()).toBeLessThanOrEqual(all.length * most);
    const before = looks();
    const mappings = 10_000;
    for (let i = 0; i < mappings; i++)
      same(waiting.take("device", BigInt(i) * STRETCH + 1n, BigInt(i) * STRETCH + 4096n).length, 0);
    expect(looks() - before).toBeLessThanOrEqual(mappings * most);
    // One that has all of them does not go through the addresses that it has.
    expect(waiting.take("device", 0n, 2n ** 64n - 1n)).toHaveLength(all.length);
    expect(looks() - before).toBeLessThanOrEqual((mappings + 1) * most);
  });
});
