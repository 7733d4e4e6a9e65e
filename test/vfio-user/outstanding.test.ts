import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.ts";
import { Outstanding } from "../../src/vfio-user/outstanding.ts";

describe("what waits for replies", () => {
  it("is found by its id and kept in order, whichever is answered first", () => {
    const random = new Random(1);
    const waiting = new Outstanding<{ id: number }>();
    const list: { id: number }[] = [];
    for (let id = 0; id < 500; id++) {
      if (random.chance(0.55)) {
        const one = { id };
        waiting.add(one);
        list.push(one);
      } else if (list.length > 0) {
        const [gone] = list.splice(random.below(list.length), 1);
        expect(waiting.get(gone!.id)).toBe(gone);
        waiting.delete(gone!);
        expect(waiting.get(gone!.id)).toBe(undefined);
      }
      expect(waiting.size).toBe(list.length);
      expect(waiting.oldest).toBe(list[0]);
    }
    expect(list.length).toBeGreaterThan(2);
    expect(waiting.takeAll()).toEqual(list);
    expect([waiting.size, waiting.oldest]).toEqual([0, undefined]);
  });
});
