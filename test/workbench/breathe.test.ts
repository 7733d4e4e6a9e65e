import { describe, expect, it } from "vitest";
import { allAtOnce, Breath, type Steps } from "../../src/workbench/desk/breathe.ts";

/** A job of so many steps that notes each. */
function* job(steps: number, done: number[]): Steps<string> {
  for (let i = 0; i < steps; i++) {
    done.push(i);
    yield;
  }
  return "made";
}

describe("a job in steps", () => {
  it("is done in one go where nobody waits", () => {
    const done: number[] = [];
    expect(allAtOnce(job(3, done))).toBe("made");
    expect(done).toEqual([0, 1, 2]);
  });

  it("gives way between its steps when its turn is over, and not before", async () => {
    for (const milliseconds of [100, 0]) {
      let time = 0;
      const breath = new Breath(() => time++ * milliseconds);
      const done: number[] = [];
      const seen: number[] = [];
      const isGoing = { value: true };
      const others = (async (): Promise<void> => {
        while (isGoing.value) {
          seen.push(done.length);
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      expect(await breath.through(job(3, done))).toBe("made");
      isGoing.value = false;
      breath.end();
      await others;
      expect(seen.filter((steps) => steps === 1 || steps === 2).length > 0).toBe(milliseconds > 0);
    }
  });
});
