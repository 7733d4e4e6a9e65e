import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CliResult, cliIn } from "../cli/cli.ts";
import { until } from "../cli/processes.ts";
import { blocksOf, readDocument } from "../helpers/markdown.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { commandEnvironment, makeCommands } from "./command-folder.ts";

const folder = scratchFolder();
/** The device, which the first step starts. */
let server: number | undefined;
const blocks = blocksOf("devices.md");
/** The commands in order, each with the block of output behind it. */
const steps = blocks
  .map((block, i) => ({
    ...block,
    shown: blocks[i + 1]?.language === "text" ? blocks[i + 1]!.text.split("\n") : [],
  }))
  .filter(({ language }) => language === "sh");

/** Runs a step: a command after the file that it takes is run here, what a shell has to do in one. */
async function run(text: string): Promise<Pick<CliResult, "status" | "stdout" | "stderr">> {
  const [, file, written, words, to] =
    /^(?:cat > (\S+) <<'END'\n([\s\S]*?\n)END\n)?npx spapr-iommu ([\w .-]+?)(?: > ([\w.-]+))?$/.exec(text) ??
    [];
  if (words !== undefined) {
    if (file !== undefined) writeFileSync(path.join(folder, file), written!);
    const ran = await cliIn(folder, words.split(" "));
    if (to !== undefined) writeFileSync(path.join(folder, to), ran.stdout);
    return ran;
  }
  const ran = spawnSync("sh", ["-c", `${text}\nstatus=$?\necho "$!"\nexit $status`], {
    cwd: folder,
    encoding: "utf8",
    env: commandEnvironment(folder),
  });
  const started = ran.stdout.trimEnd().split("\n").at(-1)!;
  if (/^\d+$/.test(started)) {
    server = Number(started);
    await until(() => existsSync(path.join(folder, "mailbox.sock")));
  }
  return { ...ran, status: ran.status! };
}

describe("docs/devices.md", () => {
  beforeAll(() => makeCommands(folder));
  afterAll(() => {
    if (server !== undefined) process.kill(server);
  });

  it("has a device, and six things that are done with one", () => {
    expect(steps.map(({ text }) => /npx spapr-iommu (\w+)/.exec(text)?.[1])).toEqual([
      "probe",
      "device",
      "device",
      "device",
      "device",
      "device",
      "device",
    ]);
  });

  it.each(steps)("shows what its commands print, line $line", async ({ text, shown }) => {
    const { status, stdout, stderr } = await run(text);
    expect([0, 2], stderr).toContain(status);
    for (const piece of shown) expect(stdout + stderr).toContain(piece);
  });

  it("names what the command line can find", async () => {
    const document = readDocument("devices.md");
    const rows = [...document.matchAll(/^\| (`[^|]+`)[^|]*\|/gm)].flatMap(
      ([, cell]) => cell!.match(/[a-z_-]+/g)!,
    );
    for (const kind of [
      "missing",
      "stale",
      "torn-down",
      "stopped",
      "unannounced",
      "divergence",
      "hang",
      "protocol",
      "lost",
    ])
      expect(rows).toContain(kind);
  });
});
