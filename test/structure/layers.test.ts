import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

/** The layers, each of which may import only itself and the ones before it. */
const LAYERS = [
  "base",
  "memory",
  "tce",
  "spapr",
  "kvm",
  "vfio",
  "vfio-user",
  "guest",
  "formats",
  "script",
  "check",
  "lab",
  "workbench",
  "live",
  "cli",
];
/** Down to this one everything runs in a browser: no Node modules, no packages but those of {@link PACKAGES}. */
const LAST_PORTABLE = LAYERS.indexOf("workbench");
/** The page that a browser shows: a room that is bundled with packages of its own, and not in the library. */
const isPage = (file: string): boolean => file.startsWith("workbench/page/");
/** What runs everywhere, and the one file that may know it. */
const PACKAGES: Readonly<Record<string, string>> = {
  "zstddec/stream": "formats/input/zstd.ts",
  re2js: "check/filter/pattern.ts",
};

/**
 * The rooms of layers that have folders, in groups that may import the ones before them and not one another. A room is
 * a folder or a file at the layer's top; `*` is the files that are not named.
 */
const ROOMS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  vfio: [["host"], ["*"]],
  "vfio-user": [["protocol"], ["*"], ["client", "server"], ["devices"], ["index"]],
  guest: [["*"], ["drivers"], ["index"]],
  formats: [
    ["*"],
    ["lines"],
    ["trace", "op-script", "kernel-script", "dma-dump", "machine", "migration", "perfetto"],
    ["container"],
    ["table", "input", "event-format"],
    ["saved", "trace-dat", "perf-data"],
    ["recording"],
    ["index"],
  ],
  script: [["recording"], ["op", "kernel"], ["*"], ["device"], ["index"]],
  check: [
    ["check-options"],
    ["findings"],
    ["windows"],
    ["rebuild"],
    ["state", "qemu", "linux", "filter", "forecast"],
    ["lifetimes"],
    ["lives"],
    ["travel"],
    ["*"],
    ["saved"],
    ["shrink"],
    ["whole"],
    ["index"],
  ],
  lab: [["*"], ["story"], ["index"]],
  workbench: [["*"], ["maths"], ["draw"], ["desk"], ["stage", "report"], ["page"]],
  live: [["firmware"], ["*"], ["random"], ["index"]],
  cli: [["*"], ["screen", "serve"], ["verbs"], ["command-line"], ["main"]],
};

const SRC = path.resolve(import.meta.dirname, "../../src");

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((file) => /\.tsx?$/.test(file))
  .map((file) => file.replaceAll(path.sep, "/"));

/** The room of a file and the place of its group in the order; undefined for layers without rooms. */
function roomOf(file: string): { readonly room: string; readonly rank: number } | undefined {
  const [layer, first] = file.split("/") as [string, string];
  const groups = ROOMS[layer];
  if (groups === undefined) return undefined;
  const isFile = first.endsWith(".ts");
  const name = first.replace(/\.ts$/, "");
  const named = groups.findIndex((group) => group.includes(name));
  if (named >= 0) return { room: name, rank: named };
  return isFile
    ? { room: "*", rank: groups.findIndex((group) => group.includes("*")) }
    : { room: name, rank: -1 };
}

/** What a file imports or re-exports, types included. */
function importsOf(file: string): string[] {
  const text = readFileSync(path.join(SRC, file), "utf8");
  return [
    ...text.matchAll(
      /^(?:import|export)\s[^"';]*?from\s+"([^"]+)"|\bimport\(\s*"([^"]+)"|^import\s+"([^"]+)"/gm,
    ),
  ].map((match) => (match[1] ?? match[2] ?? match[3])!);
}

/** May a file import what an import names? A package or a module of Node only behind what is portable. */
function mayImport(file: string, target: string): boolean {
  const layer = LAYERS.indexOf(file.split("/")[0]!);
  if (!target.startsWith(".")) return layer > LAST_PORTABLE || isPage(file) || PACKAGES[target] === file;
  const resolved = path.posix.normalize(path.posix.join(path.posix.dirname(file), target));
  const other = LAYERS.indexOf(resolved.split("/")[0]!);
  if (!/\.tsx?$/.test(target) || other > layer) return false;
  if (other < layer) return true;
  const [from, to] = [roomOf(file), roomOf(resolved)];
  return from === undefined || to === undefined || from.room === to.room || to.rank < from.rank;
}

/** Groups of files each of which imports all others, over some steps (Tarjan). */
function circlesOf(all: readonly string[]): string[][] {
  const circles: string[][] = [];
  const order = new Map<string, number>();
  const stack: string[] = [];
  const visit = (file: string): number => {
    let lowest = order.size;
    order.set(file, lowest);
    const at = stack.push(file) - 1;
    for (const target of importsOf(file)) {
      const next = path.posix.normalize(path.posix.join(path.posix.dirname(file), target));
      if (!target.startsWith(".") || !all.includes(next)) continue;
      if (!order.has(next)) lowest = Math.min(lowest, visit(next));
      else if (stack.includes(next)) lowest = Math.min(lowest, order.get(next)!);
    }
    if (lowest === order.get(file)) {
      const circle = stack.splice(at).sort();
      if (circle.length > 1) circles.push(circle);
    }
    return lowest;
  };
  for (const file of all) if (!order.has(file)) visit(file);
  return circles;
}

describe("the structure of the source", () => {
  it("has only the layers of the design", () => {
    const folders = new Set(files.filter((file) => file.includes("/")).map((file) => file.split("/")[0]!));
    expect([...folders].filter((folder) => !LAYERS.includes(folder))).toEqual([]);
    expect(files.filter((file) => !file.includes("/"))).toEqual(["index.ts"]);
  });

  it("has only the rooms of the design", () => {
    for (const file of files) {
      expect(roomOf(file)?.rank ?? 0, `${file} stands in a room that is not listed`).toBeGreaterThanOrEqual(
        0,
      );
      const folder = /^([^/]+)\/[^/]+\//.exec(file);
      if (folder !== null) expect(Object.keys(ROOMS)).toContain(folder[1]);
    }
  });

  it("imports one way, and names files in relative imports", () => {
    const inLayers = files.filter((file) => file.includes("/"));
    expect(inLayers.length).toBeGreaterThan(400);
    const wrong = inLayers.flatMap((file) =>
      importsOf(file)
        .filter((target) => !mayImport(file, target))
        .map((target) => `${file} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it("reads no clock and rolls no dice", () => {
    const portable = files.filter(
      (file) => LAYERS.indexOf(file.split("/")[0]!) <= LAST_PORTABLE && !isPage(file),
    );
    const wrong = portable.filter((file) => {
      const code = readFileSync(path.join(SRC, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
      return /(?<![.\w])(?:performance\.|Date\b|Math\.random|crypto\.|setTimeout|setInterval)/.test(code);
    });
    expect(wrong).toEqual([]);
  });

  it("has no circle of imports, types included", () => {
    expect(circlesOf(files)).toEqual([]);
  });

  it("names files in kebab-case", () => {
    for (const file of files) expect(path.posix.basename(file)).toMatch(/^[a-z0-9]+(?:-[a-z0-9]+)*\.tsx?$/);
  });
});
