import { writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, it } from "vitest";
import { scratchFolder } from "../helpers/scratch.ts";
import { type CommandRun, commandLines, commandLinesHere } from "./measured.ts";

const folder = scratchFolder();

/** Each is small as a text; the message that ends it. */
const HOSTILE: readonly {
  readonly name: string;
  readonly text: string;
  readonly says: string;
  /** Is it tried by the long run alone? */
  readonly slow?: true;
}[] = [
  {
    name: "aliases of aliases",
    text: `ram: &a [x,x,x,x,x,x,x,x,x,x]\n${[..."bcdefghij"].map((name, i) => `${name}: &${name} [${Array(10).fill(`*${"abcdefghij"[i]}`).join(",")}]`).join("\n")}`,
    says: "more than 100,000 values, with those that aliases stand for",
  },
  { name: "a value in itself", text: "ram: &a [*a]", says: "more than 30 values in one another" },
  {
    name: "lists in lists",
    text: `ram: ${"[".repeat(1_000_000)}`,
    says: "more than 30 values in one another",
  },
  {
    name: "items in items",
    text: `ram:\n${"- ".repeat(500_000)}`,
    says: "more than 30 values in one another",
    slow: true,
  },
  {
    name: "objects in objects",
    text: `ram: ${"{a: ".repeat(200_000)}`,
    says: "more than 30 values in",
    slow: true,
  },
  {
    name: "many members",
    text: Array.from({ length: 90_000 }, (_, i) => `k${i}: 1`).join("\n"),
    says: "more than 400,000 words",
    slow: true,
  },
  {
    name: "many mistakes",
    text: `ram: 4G\n${"a: @b\n".repeat(100_000)}`,
    says: "more than 400,000 words",
    slow: true,
  },
  { name: "many documents", text: `ram: 4G\n${"---\n".repeat(200_000)}`, says: ":2:1: a second document" },
  {
    name: "a long text",
    text: `ram: ${"x".repeat(2 ** 20)}`,
    says: "1,048,581 characters: the most is 1,048,576",
  },
  {
    name: "too many devices",
    text: `ram: 4G\ndevices: [${"{model: nvme},".repeat(8000)}]`,
    says: ":2:10: a list of 8,000: there may be at most 7,936",
    slow: true,
  },
];

/** Files of machines that ask for much are refused, and take little. */
export function refuseHostile(which: "quick" | "all"): void {
  const rows = HOSTILE.filter(({ slow }) => which === "all" || slow !== true);
  let runs: readonly CommandRun[] = [];
  let peak = Number.POSITIVE_INFINITY;
  beforeAll(async () => {
    const files = rows.map(({ text }, i) => {
      const at = path.join(folder, `hostile-${i}.yaml`);
      writeFileSync(at, text);
      return at;
    });
    const lines = files.map((at) => ["plan", "--kernel", "6.12", at]);
    if (which === "all") ({ runs, peakMib: peak } = await commandLines(lines));
    else runs = await commandLinesHere(lines);
  });

  it.each(rows.map(({ name, says }, i) => ({ name, says, i })))("is refused: $name", ({ says, i }) => {
    expect(runs[i]!.output).toContain(says);
    expect(runs[i]!.status).toBe(1);
    expect(runs[i]!.cpuSeconds).toBeLessThan(20);
  });

  if (which === "all")
    it("takes less than 300 MiB, all in one process", () => {
      expect(peak).toBeLessThan(300);
    });
}
