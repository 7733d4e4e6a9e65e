import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makePrivateFolder } from "../../src/live/private-folder.ts";

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(path.join(tmpdir(), "private-"));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

it("is our user's alone, and not twice the same", async () => {
  const folders = [await makePrivateFolder(parent), await makePrivateFolder(parent)];
  expect(new Set(folders).size).toBe(2);
  for (const folder of folders) expect(statSync(folder).mode & 0o777).toBe(0o700);
});

it("is known to a guard before it is there, whenever this process is killed", async () => {
  const told: { folder: string; isThere: boolean }[] = [];
  const folder = await makePrivateFolder(parent, async (made) => {
    told.push({ folder: made, isThere: existsSync(made) });
  });
  expect(told).toEqual([{ folder, isThere: false }]);
  const killed = async (): Promise<void> => {
    throw new Error("killed");
  };
  await expect(makePrivateFolder(parent, killed)).rejects.toThrow("killed");
  expect(readdirSync(parent)).toEqual([path.basename(folder)]);
});

it("takes away what a process left that is gone, and nothing else", async () => {
  const { pid: gone } = spawnSync("true");
  const kept = [`spapr-iommu-${process.pid}-abcdef`, "spapr-iommu-test-abcdef", `other-${gone}-abcdef`];
  for (const name of [...kept, `spapr-iommu-${gone}-abcdef/state`]) {
    mkdirSync(path.join(parent, name), { recursive: true });
  }
  const folder = await makePrivateFolder(parent);
  expect(readdirSync(parent).sort()).toEqual([...kept, path.basename(folder)].sort());
  expect(existsSync(folder)).toBe(true);
});

it("leaves links alone, wherever they lead", async () => {
  const { pid: gone } = spawnSync("true");
  const own = path.join(parent, "own");
  mkdirSync(path.join(own, "precious"), { recursive: true });
  const link = `spapr-iommu-${gone}-abcdef`;
  symlinkSync(own, path.join(parent, link));
  symlinkSync("/nonexistent", path.join(parent, `spapr-iommu-${gone}-ghijkl`));
  await makePrivateFolder(parent);
  expect(readdirSync(parent)).toContain(link);
  expect(readdirSync(own)).toEqual(["precious"]);
});
