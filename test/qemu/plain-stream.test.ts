import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { findQemu } from "../../src/live/qemu-program.ts";
import { cli } from "../cli/cli.ts";

const FILES = path.resolve(import.meta.dirname, "../corpus/qemu-files");
const folder = mkdtempSync(path.join(tmpdir(), "plain-stream-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The last state of a QEMU that loads a stream: `running`, or what it says when it gives up. */
async function loaded(machine: string, stream: string): Promise<string> {
  const firmware = path.join(folder, "firmware");
  writeFileSync(firmware, new Uint8Array(65_536));
  const vlan = ["-netdev", "user,id=n", "-device", "spapr-vlan,reg=0x71000003,netdev=n"];
  const { program, firstArguments } = await findQemu();
  const machineArguments = ["-M", machine, "-m", "256", "-nodefaults", "-display", "none", "-serial", "null"];
  const more = ["-bios", firmware, ...vlan, "-qmp", "stdio", "-incoming", `exec:cat ${stream}`];
  const child = spawn(program, [...firstArguments, ...machineArguments, ...more], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let said = "";
  for (const pipe of [child.stdout, child.stderr]) {
    pipe.on("data", (bytes: Buffer) => {
      said += bytes;
    });
  }
  const ended = new Promise<boolean>((resolve) => child.on("close", () => resolve(true)));
  child.stdin.on("error", () => {});
  child.stdin.write('{"execute":"qmp_capabilities"}\n');
  try {
    for (let round = 0; round < 120; round++) {
      const pause = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 250));
      if (await Promise.race([ended, pause])) return said;
      if (/"status": "running"/.test(said)) return "running";
      child.stdin.write('{"execute":"query-status"}\n');
    }
    return said;
  } finally {
    child.kill();
    await ended;
  }
}

it.each([
  { file: "compress-7.2.mig.gz", machine: "pseries-7.2" },
  { file: "pseries-2.1.mig.gz", machine: "pseries-2.1" },
])("QEMU loads the plain stream that $file becomes", async ({ file, machine }) => {
  const plain = path.join(folder, `${file}.mig`);
  expect((await cli(["convert", path.join(FILES, file), plain])).status).toBe(0);
  expect(await loaded(machine, plain)).toBe("running");
});
