import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";

const SCRIPT = path.resolve(import.meta.dirname, "../../scripts/fetch-qemu.sh");
const folder = mkdtempSync(path.join(tmpdir(), "fetch-qemu-"));
afterAll(() => rmSync(folder, { recursive: true }));

const fetchQemu = (...args: string[]): Promise<{ status: unknown; stderr: string }> =>
  new Promise((resolve) => {
    // Without apt's own settings: nothing is fetched by these tests.
    execFile(
      SCRIPT,
      args,
      { env: { PATH: process.env.PATH, APT_CONFIG: "/dev/null" } },
      (cause, _out, stderr) => resolve({ status: cause?.code ?? 0, stderr }),
    );
  });

it.each([
  { args: [], message: /usage: scripts\/fetch-qemu.sh 10.0\|11.1 FOLDER/ },
  { args: ["9.2", path.join(folder, "new")], message: /version 9.2: must be 10.0 or 11.1/ },
  { args: ["11.1", folder], message: /is there already/ },
])("fetch-qemu.sh says what is wrong with $args", async ({ args, message }) => {
  const { status, stderr } = await fetchQemu(...args);
  expect(status).toBe(1);
  expect(stderr).toMatch(message);
  expect(existsSync(path.join(folder, "new"))).toBe(false);
});
