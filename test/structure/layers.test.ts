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
  "guest",
  "formats",
  "check",
  "lab",
  "live",
  "cli",
];
/** Down to this one everything runs in a browser: no Node modules, no packages. */
const LAST_PORTABLE = LAYERS.indexOf("lab");

const SRC = path.resolve(import.meta.dirname, "../../src");

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replaceAll(path.sep, "/"));

/** What a file imports or re-exports, types included. */
function importsOf(file: string): string[] {
  const text = readFileSync(path.join(SRC, file), "utf8");
  return [
    ...text.matchAll(
      /^(?:import|export)\s[^"';]*?from\s+"([^"]+)"|\bimport\(\s*"([^"]+)"|^import\s+"([^"]+)"/gm,
    ),
  ].map((match) => (match[1] ?? match[2] ?? match[3])!);
}

describe("the structure of the source", () => {
  it("has only the layers of the design", () => {
    const folders = new Set(files.filter((file) => file.includes("/")).map((file) => file.split("/")[0]!));
    expect([...folders].filter((folder) => !LAYERS.includes(folder))).toEqual([]);
    expect(files.filter((file) => !file.includes("/"))).toEqual(["index.ts"]);
  });

  it.each(files.filter((file) => file.includes("/")))("imports one way: %s", (file) => {
    const layer = LAYERS.indexOf(file.split("/")[0]!);
    for (const target of importsOf(file)) {
      if (target.startsWith(".")) {
        expect(target, "relative imports name the file").toMatch(/\.ts$/);
        const resolved = path.posix.normalize(path.posix.join(path.posix.dirname(file), target));
        expect(LAYERS.indexOf(resolved.split("/")[0]!), `${file} imports ${resolved}`).toBeLessThanOrEqual(
          layer,
        );
      } else {
        expect(layer, `${file} imports ${target}`).toBeGreaterThan(LAST_PORTABLE);
      }
    }
  });

  it.each(files.filter((file) => LAYERS.indexOf(file.split("/")[0]!) <= LAST_PORTABLE))(
    "reads no clock and rolls no dice: %s",
    (file) => {
      const code = readFileSync(path.join(SRC, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
      expect(code).not.toMatch(
        /(?<![.\w])(?:performance\.|Date\b|Math\.random|crypto\.|setTimeout|setInterval)/,
      );
    },
  );

  it("names files in kebab-case", () => {
    for (const file of files) expect(path.posix.basename(file)).toMatch(/^[a-z0-9]+(?:-[a-z0-9]+)*\.ts$/);
  });
});
