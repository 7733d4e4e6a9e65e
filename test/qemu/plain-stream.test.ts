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
  // The processor of pseries-7.2 in QEMU 7.2; later versions give the machine another one.
  if (machine === "pseries-7.2") machineArguments.push("-cpu", "power9_v2.0");
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
  { file: "compress-7.2.mig.gz", machine: "pseries-7.2", hasMachine: () => true },
  // QEMU drops machines of old versions.
  { file: "pseries-2.1.mig.gz", machine: "pseries-2.1", hasMachine: (major: number) => major < 9 },
])("QEMU loads the plain stream that $file becomes", async ({ file, machine, hasMachine }) => {
  const plain = path.join(folder, `${file}.mig`);
  expect((await cli(["convert", path.join(FILES, file), plain])).status).toBe(0);
  const state = await loaded(machine, plain);
  if (hasMachine((await findQemu()).major)) expect(state).toBe("running");
  else expect(state).toMatch(/unsupported machine type/);
});
