import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseAst } from "vite";
import { describe, expect, it } from "vitest";

const SRC = path.resolve(import.meta.dirname, "../../src");
const MOST = 5;

/**
 * Functions that take more, and how many. A value in halves is two parameters, and most of these are on the hottest
 * paths, where an object for them would have to be kept for each call that may nest.
 */
const MORE: Readonly<Record<string, number>> = {
  "formats/trace/linux-dma-log.ts readEvent": 6,
  "guest/table-dma.ts map": 6,
  "memory/flat-view.ts render": 6,
  "memory/flat-view.ts fillGaps": 6,
  "memory/iommu-region.ts notifyEach": 6,
  "memory/iommu-region.ts notifyAll": 7,
  "memory/mapping-run.ts set": 6,
  "spapr/hypercalls.ts checkList": 7,
  "spapr/refuse.ts refuse": 8,
  "spapr/window-entries.ts fillEntries": 6,
  "spapr/window-entries.ts notifyRun": 7,
  "tce/diff.ts ChangeVisitor": 8,
  "check/lives/table-lives.ts (function)": 8,
  "check/state/window-state.ts (function)": 7,
  "check/travel/written.ts value": 6,
  "check/travel/window-player.ts value": 6,
  "check/travel/window-travel.ts (function)": 6,
  "vfio-user/peer.ts ask": 6,
  "workbench/desk/window-contents.ts (function)": 7,
};

interface Node {
  readonly type: string;
  readonly id?: { readonly name: string } | null;
  readonly key?: { readonly name?: string };
  readonly params?: readonly unknown[];
}

/** Tells name and number of parameters of each function in a syntax tree, types of functions included. */
function visitFunctions(
  value: unknown,
  visit: (name: string, count: number) => void,
  name = "(function)",
): void {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) visitFunctions(item, visit);
    return;
  }
  const node = value as Node;
  const own = node.id?.name ?? node.key?.name ?? name;
  if (/Function|MethodSignature|CallSignature/.test(node.type) && Array.isArray(node.params)) {
    visit(own, node.params.length);
  }
  for (const [key, child] of Object.entries(node)) {
    const keepsName = key === "value" || key === "init" || key === "typeAnnotation";
    visitFunctions(child, visit, keepsName ? own : undefined);
  }
}

describe("functions", () => {
  it(`take at most ${MOST} parameters`, () => {
    const found: Record<string, number> = {};
    let all = 0;
    for (const file of readdirSync(SRC, { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".ts")) continue;
      const tree = parseAst(readFileSync(path.join(SRC, file), "utf8"), { lang: "ts" });
      visitFunctions(tree, (name, count) => {
        all++;
        if (count > MOST) found[`${file.replaceAll(path.sep, "/")} ${name}`] = count;
      });
    }
    expect(all).toBeGreaterThan(2000);
    expect(found).toEqual(MORE);
  });
});
