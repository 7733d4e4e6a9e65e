import { expect } from "vitest";
import { Rebuild } from "../../src/check/rebuild/rebuild.ts";
import { type OpScript, parseOpScript } from "../../src/formats/op-script/script.ts";
import type { LiveFindings } from "../../src/live/live-findings.ts";
import { describeState, type LiveWindow } from "../../src/live/live-state.ts";
import { randomScript } from "../../src/live/random/script.ts";
import { operationOf } from "../../src/script/op/recording.ts";
import { OpRunner } from "../../src/script/op/run.ts";

/**
 * A random script of which a trace tells everything: no list of more than one
 * entry (only the last is printed), no call that fails half way, and nothing
 * about VIO, whose resets leave no line.
 */
export function traceableScript(seed: number, operations: number): OpScript {
  const script = randomScript({ seed, operations, dma: false, profile: "qemu-7.2" });
  const { vio: _, ...header } = script.header.value;
  let kept = script.lines
    .map(({ line }) => operationOf(line))
    .filter(
      (operation) =>
        operation.name !== "quiesce" && (operation.op !== "h_put_tce_indirect" || operation.list),
    )
    .map((operation) =>
      operation.op === "h_put_tce_indirect"
        ? { ...operation, list: (operation.list as string[]).slice(0, 1), npages: "0x1" }
        : operation,
    );
  for (;;) {
    const text = [header, ...kept].map((value) => JSON.stringify(value)).join("\n");
    const parsed = parseOpScript(text, `seed ${seed}`);
    const runner = new OpRunner(parsed.config);
    const refused = parsed.lines.map(({ operation }) => {
      const { ret } = runner.run(operation);
      return operation.op === "h_stuff_tce" && ret !== 0;
    });
    if (!refused.includes(true)) return parsed;
    kept = kept.filter((_operation, i) => !refused[i]);
  }
}

/** What `attach` should say of a machine that has done a script, if all is known. */
export function expectedWindows(script: OpScript): readonly LiveWindow[] {
  const runner = new OpRunner(script.config);
  for (const { operation } of script.lines) runner.run(operation);
  const rebuild = new Rebuild();
  const { phbs, vio } = runner.machine;
  const windows = [
    ...phbs.flatMap((phb) => phb.windows),
    ...vio.devices.flatMap(({ window }) => window ?? []),
  ];
  for (const { liobn, pageShift, busOffset, table, bypass } of windows) {
    rebuild.load(liobn, pageShift, busOffset, table?.snapshot() ?? null);
    rebuild.setBypass(liobn, bypass);
  }
  return describeState(rebuild, { events: 0, damaged: 0 }, true).windows;
}

/** Pages of a window that are mapped: target and permission by bus address. */
export function pagesOf({ pageShift, mappings = [] }: LiveWindow): Map<bigint, string> {
  const size = 1n << BigInt(pageShift);
  const pages = new Map<bigint, string>();
  for (const { ioba, target, pages: count, perm, sameTarget } of mappings) {
    for (let i = 0n; i < BigInt(count); i++) {
      const step = sameTarget === true ? 0n : i * size;
      pages.set(BigInt(ioba) + i * size, `${BigInt(target) + step} ${perm}`);
    }
  }
  return pages;
}

/** The exit status of a session that has all right: what it found in a random guest. */
export function statusOf(end: Readonly<Record<string, unknown>>): number {
  expect(end.doubts).toEqual([]);
  const { errors, warnings } = end.findings as LiveFindings;
  return errors > 0 ? 2 : warnings > 0 ? 3 : 0;
}
