import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { visible } from "../../src/base/visible.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { FakeQemu } from "../live/fake-qemu.ts";
import { cli, cliIn } from "./cli.ts";

const folder = scratchFolder();
const ESCAPE = "\u001b";

/** Nothing is in a text that a terminal obeys, but for our colours; those of the input stand before a "b". */
function expectShown(text: string): void {
  expect(text).not.toContain(`${ESCAPE}[32mb`);
  const plain = [1, 22, 31, 32, 33, 39].reduce(
    (rest, code) => rest.replaceAll(`${ESCAPE}[${code}m`, ""),
    text,
  );
  expect(plain).toBe(visible(plain));
}

describe("what a terminal obeys", () => {
  const TASK = "a\u001b[32mb\u001b]0;title\u0007\u009b2J";
  const DEVICE = "dev\u001b[32mb\u0007";
  const HOSTILE = "tr\u001b[32mb\u0007ace.txt";
  const line = (name: string, at: number): string =>
    `${TASK}-77 [000] ..... ${at}.000000: ${name}: e1000 ${DEVICE} dma_addr=${at}000 size=64 dir=TO_DEVICE phys_addr=5000 attrs=\n`;
  const text = ["map_page", "unmap_page", "unmap_page", "map_page"]
    .map((name, i) => line(`dma_${name}`, i < 3 ? 1 : 2))
    .join("");

  it.each([
    { verb: "check", more: [] },
    { verb: "who", more: ["0x1000"] },
    { verb: "alive", more: [] },
    { verb: "map", more: [] },
    { verb: "info", more: [] },
    { verb: "stat", more: [] },
    { verb: "diff", more: [`${HOSTILE}@1`] },
    { verb: "exec", more: [] },
    { verb: "shrink", more: ["--finding", "1"] },
    { verb: "convert", more: [`${HOSTILE}.jsonl`] },
    { verb: "run", more: ["--trace", HOSTILE] },
    { verb: "oracle", more: [] },
    { verb: "attach", more: ["--qmp", HOSTILE] },
  ])("is shown by $verb, and never sent", async ({ verb, more }) => {
    writeFileSync(path.join(folder, HOSTILE), text);
    const names = verb === "attach" ? [] : [verb === "run" ? "linux-boot" : HOSTILE];
    const forms =
      verb === "convert" ? [[]] : ["human", "json", "jsonl", "csv"].map((form) => ["--output", form]);
    for (const form of forms) {
      const args = [verb, ...names, ...more, ...form, "--color", "always"];
      const { stdout, stderr } = await cliIn(folder, args);
      expect(stdout + stderr).not.toBe("");
      expectShown(stdout + stderr);
    }
  });

  it("is shown of what a monitor says", async () => {
    const qemu = new FakeQemu();
    await qemu.listen();
    try {
      const desc = "no \u001b[32mb\u001b]0;title\u0007 way";
      for (const instead of [{ error: { desc } }, { return: desc }]) {
        qemu.instead = (command) => (command === "trace-event-get-state" ? instead : undefined);
        const args = ["attach", "--qmp", qemu.socket, "--log", qemu.log, "--color", "always"];
        const { status, stdout, stderr } = await cli(args);
        expect(status).toBe(1);
        expect(stderr).toContain("title");
        expectShown(stdout + stderr);
      }
    } finally {
      await qemu.close();
    }
  });

  it.each([["exec", "no\u001b[31mfile.jsonl"], ["check", "--no\u001b[31m"], ["no\u001b[31m"]])(
    "is shown in the words of the command line: %s %s",
    async (...args) => {
      const { status, stderr } = await cli(args);
      expect(status).toBe(1);
      expect(stderr).toContain("no\\u001b[31m");
    },
  );
});
