import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";

const SCRIPTS = path.resolve(import.meta.dirname, "../../scripts");
const folder = mkdtempSync(path.join(tmpdir(), "fetch-scripts-"));
afterAll(() => rmSync(folder, { recursive: true }));

const run = (script: string, args: readonly string[]): Promise<{ status: unknown; stderr: string }> =>
  new Promise((resolve) => {
    // Without apt's own settings: nothing is fetched by these tests.
    execFile(
      path.join(SCRIPTS, script),
      args,
      { env: { PATH: process.env.PATH, APT_CONFIG: "/dev/null" } },
      (cause, _out, stderr) => resolve({ status: cause?.code ?? 0, stderr }),
    );
  });

it.each([
  { script: "fetch-qemu.sh", args: [], message: /usage: scripts\/fetch-qemu.sh 10.0\|11.1 FOLDER/ },
  {
    script: "fetch-qemu.sh",
    args: ["9.2", path.join(folder, "new")],
    message: /version 9.2: must be 10.0 or 11.1/,
  },
  { script: "fetch-qemu.sh", args: ["11.1", folder], message: /is there already/ },
  { script: "fetch-libvirt.sh", args: [], message: /usage: scripts\/fetch-libvirt.sh 11.3\|12.9 FOLDER/ },
  {
    script: "fetch-libvirt.sh",
    args: ["9.0", path.join(folder, "new")],
    message: /version 9.0: must be 11.3 or 12.9/,
  },
  { script: "fetch-libvirt.sh", args: ["12.9", folder], message: /is there already/ },
])("$script says what is wrong with $args", async ({ script, args, message }) => {
  const { status, stderr } = await run(script, args);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^fetch-/);
  expect(stderr).toMatch(message);
  expect(existsSync(path.join(folder, "new"))).toBe(false);
});
