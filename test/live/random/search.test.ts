import { describe, expect, it } from "vitest";
import { KnownDifferences } from "../../../src/formats/known-differences.ts";
import type { Operation } from "../../../src/formats/op-script/operation.ts";
import { type OpScript, parseOpScript } from "../../../src/formats/op-script/script.ts";
import { compareWith } from "../../../src/live/oracle.ts";
import { randomScript } from "../../../src/live/random/script.ts";
import { type Oracle, searchDifference } from "../../../src/live/random/search.ts";
import { shrinkList, simplifyItems } from "../../../src/live/random/simplify.ts";
import type { OpResult } from "../../../src/script/op/result.ts";
import { OpRunner } from "../../../src/script/op/run.ts";
import fc from "../../helpers/fast-check.ts";
import { times } from "../../helpers/some.ts";

const NONE = new KnownDifferences([]);

/** An oracle that is the engine with a mistake. */
const mistaken =
  (mistake: (operation: Operation, result: OpResult, before: readonly Operation[]) => OpResult): Oracle =>
  async (script: OpScript) => {
    const runner = new OpRunner(script.config);
    const before: Operation[] = [];
    const results = script.lines.map(({ operation }) => {
      const result = mistake(operation, runner.run(operation), before);
      before.push(operation);
      return result;
    });
    return compareWith(script, { results, crash: null, messages: [] }, NONE);
  };

describe("a shrunk list", () => {
  it("still fails, and does not without any one of its items", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(30), { maxLength: 60 }),
        fc.uniqueArray(fc.nat(30), { maxLength: 5 }),
        async (items, needed) => {
          const fails = async (list: readonly number[]): Promise<boolean> =>
            needed.every((item) => list.includes(item));
          if (!(await fails(items))) return;
          const shrunk = await shrinkList(items, fails);
          expect(await fails(shrunk)).toBe(true);
          for (let i = 0; i < shrunk.length; i++) expect(await fails(shrunk.toSpliced(i, 1))).toBe(false);
          expect(shrunk).toHaveLength(needed.length);
        },
      ),
    );
  });

  it("has the simplest items with which it fails", async () => {
    const fails = async (items: readonly number[]): Promise<boolean> =>
      items.reduce((a, b) => a + b, 0) >= 10;
    const half = (item: number): number[] => (item > 0 ? [0, Math.floor(item / 2), item - 1] : []);
    expect(await simplifyItems([40, 7, 3], half, fails)).toEqual([0, 7, 3]);
  });
});

describe("a random script", () => {
  const options = { operations: 400, profile: "qemu-7.2" };

  it("depends on its seed only", () => {
    const texts = [1, 1, 2].map((seed) =>
      randomScript({ ...options, seed, dma: false })
        .lines.map(({ line }) => line.text)
        .join("\n"),
    );
    expect(texts[0]).toBe(texts[1]);
    expect(texts[0]).not.toBe(texts[2]);
  });

  it.each([false, true])(
    "hits windows, refuses some calls, and reaches no state without a defined answer (DMA: %s)",
    (dma) => {
      const statuses = new Map<string, number>();
      for (let seed = 0; seed < times(2, 15); seed++) {
        const script = randomScript({ ...options, seed, dma });
        expect(script.lines).toHaveLength(options.operations);
        const runner = new OpRunner(script.config);
        runner.machine.observer.hazard = (hazard) => {
          throw new Error(`seed ${seed}: ${hazard.what}`);
        };
        for (const { operation } of script.lines) {
          const result = runner.run(operation);
          const status = result.ret ?? result.status ?? result.fault;
          const key = `${operation.op} ${status === 0 || status === false ? "done" : "refused"}`;
          statuses.set(key, (statuses.get(key) ?? 0) + 1);
        }
      }
      const calls = ["h_put_tce", "h_get_tce", "h_put_tce_indirect", "h_stuff_tce", "rtas"];
      for (const call of dma ? [...calls, "dma_read", "dma_write"] : calls) {
        const [done = 0, refused = 0] = [statuses.get(`${call} done`), statuses.get(`${call} refused`)];
        expect(done / (done + refused), call).toBeGreaterThan(0.25);
        expect(refused, call).toBeGreaterThan(20);
      }
    },
  );
});

describe("the search for a difference", () => {
  const search = (oracle: Oracle, operations = 3000) =>
    searchDifference(oracle, { operations, seed: 7, profile: "qemu-7.2" });

  it("finds none in the engine itself", async () => {
    const operations = times(1500, 3000);
    const found = await search(
      mistaken((_operation, result) => result),
      operations,
    );
    expect(found).toEqual({ operations, machines: times(2, 4), difference: undefined });
  });

  it("shrinks a mistake of one call to that call on the simplest machine", async () => {
    const found = await search(
      mistaken((operation, result) =>
        operation.op === "h_stuff_tce" && result.ret !== 0 ? { ret: 0 } : result,
      ),
    );
    const { script, outcomes } = found.difference!;
    expect(script.lines.map(({ operation }) => operation)).toMatchObject([{ op: "h_stuff_tce" }]);
    expect(script.header.value.phbs).toHaveLength(1);
    expect(outcomes).toMatchObject([{ verdict: "different", theirs: { ret: 0 }, result: { ret: -4 } }]);
  });

  it("keeps what the mistake needs", async () => {
    const found = await search(
      mistaken((operation, result, before) =>
        operation.op === "h_get_tce" && result.ret === 0 && before.some(({ op }) => op === "system_reset")
          ? { ret: 0, tce: "0x1" }
          : result,
      ),
    );
    expect(found.difference!.script.lines.map(({ operation }) => operation.op)).toEqual([
      "system_reset",
      "h_get_tce",
    ]);
  });
});

describe("the comparison with a run", () => {
  const script = randomScript({ seed: 1, operations: 10, dma: false, profile: "qemu-7.2" });
  const runner = new OpRunner(script.config);
  const results = script.lines.map(({ operation }) => runner.run(operation));

  it("calls an end without a hazard a difference, and counts what was not reached", () => {
    const crash = { signal: null, code: 1, message: "it ended" };
    const report = compareWith(script, { results: results.slice(0, 4), crash, messages: [] }, NONE);
    expect(report.outcomes.map(({ verdict }) => verdict)).toEqual([
      "same",
      "same",
      "same",
      "same",
      "different",
    ]);
    expect(report.outcomes[4]?.theirs).toBe(undefined);
    expect(report.notReached).toBe(5);
  });

  it("knows an end after a hazard: there was no defined answer to compare with", () => {
    const create =
      '{"op":"rtas","name":"ibm,create-pe-dma-window","args":[0,134217728,536870912,76,80],"nret":4}';
    const get = '{"op":"h_get_tce","liobn":"0x80000000","ioba":"0x0"}';
    const odd = parseOpScript(`{"header":1}\n${create}\n${get}\n${get}`, "odd");
    const first = new OpRunner(odd.config).run(odd.lines[0]!.operation);
    const crash = { signal: null, code: 1, message: "it ended" };
    const report = compareWith(odd, { results: [first], crash, messages: [] }, NONE);
    expect(report.outcomes.map(({ verdict }) => verdict)).toEqual(["same", "known"]);
    expect(report.outcomes[1]?.reason).toContain("undefined");
    expect(report.notReached).toBe(1);
  });
});
