import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");
const manifest = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  files: string[];
  exports: Record<string, string | { types: string; default: string }>;
};

describe("the manifest", () => {
  it("pins every version", () => {
    for (const version of [
      ...Object.values(manifest.dependencies),
      ...Object.values(manifest.devDependencies),
    ]) {
      expect(version).toMatch(/^\d+\.\d+\.\d+(?:-[\w.]+)?$/);
    }
  });

  it("exports a source file for each entry, types first", () => {
    for (const target of Object.values(manifest.exports)) {
      if (typeof target === "string") continue;
      expect(Object.keys(target)[0]).toBe("types");
      expect(
        existsSync(path.join(ROOT, target.default.replace("./dist/", "src/").replace(/\.js$/, ".ts"))),
      ).toBe(true);
    }
  });

  it("ships only files that exist", () => {
    // What is made before the package is packed.
    const made = ["dist", "docs/api"];
    for (const file of manifest.files)
      if (!made.includes(file) && !file.startsWith("!"))
        expect(existsSync(path.join(ROOT, file)), file).toBe(true);
  });
});
