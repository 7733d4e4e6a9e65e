import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { checkTrace } from "../../src/check/whole/check-trace.ts";
import { windowsAt } from "../../src/check/whole/windows-at.ts";
import { parseRecording } from "../../src/script/parse-recording.ts";
import type { CheckedLine } from "../../src/script/recording.ts";

const readCase = (name: string): string => readFileSync(path.join(import.meta.dirname, name), "utf8");
const run = (name: string): CheckedLine[] => [
  ...parseRecording(readCase(name), name).run({ refusals: true }),
];
// biome-ignore lint/suspicious/noExplicitAny: results have as many shapes as operations
const results = (name: string): any[] => run(name).map(({ result }) => result);

describe("scripts of what people reported", () => {
  it("13: a window of 2^0 bytes is refused as smaller than a page; the next one is made", () => {
    const lines = run("13-ddw-hotplug-zero-shift.jsonl");
    expect(lines.map(({ result }) => (result as { status: number }).status)).toEqual([0, 0, -3, 0]);
    expect(lines.map(({ refusals }) => refusals.map(({ id, rule }) => [id, rule]))).toEqual([
      [],
      [],
      [["QEMU-CREATE-1", "the window is smaller than a page"]],
      [],
    ]);
    expect(lines[2]!.refusals[0]!.values).toMatchObject({ pageShift: 24, windowShift: 0 });
  });

  it("14: a window of one page of 16 GiB is at 2^59, and DMA through it reaches memory", async () => {
    const lines = results("14-one-page-of-16-gib.jsonl");
    expect(lines[1].rets).toEqual([0, 0x8000_0001, 0x800_0000, 0]);
    expect(lines[3].xlate).toMatchObject([{ addr: "0x0", perm: 3 }]);
    expect(lines[4].data).toBe("0102");
    const windows = await windowsAt(readCase("14-one-page-of-16-gib.jsonl"));
    expect(windows[1]).toMatchObject({ busOffset: 1n << 59n, pageShift: 34, entries: 1 });
  });

  it("14b: without pgsz the bridge does not offer such pages", () => {
    expect(results("14b-default-pgsz.jsonl")[1].status).toBe(-3);
    expect(run("14b-default-pgsz.jsonl")[1]!.refusals).toMatchObject([{ id: "PAPR-CREATE-1" }]);
  });

  it("16: one level is offered, two are EINVAL", () => {
    const [info, , two] = results("16-l2-no-levels.jsonl").slice(4);
    expect(info.out.levels).toBe("0x1");
    expect(two).toMatchObject({ ret: -1, errno: "EINVAL" });
  });

  it("25: an entry of a list that is no memory of the guest leaves the list to user space, and nothing is stored", () => {
    const [refused, , , , stored, entry] = results("25-kvm-bad-list.jsonl").slice(5);
    expect(refused.out).toEqual({ user: "0x1" });
    expect(stored.out).toEqual({ user: "0x0", r3: "0x0" });
    expect(entry.out).toEqual({ user: "0x0", r3: "0x0", r4: "0x5003" });
  });

  it("28: pages of 2 MiB are made, and the rest of memory is told to be unmapped", async () => {
    const name = "28-nvme-2m-window.jsonl";
    expect(results(name).map((one) => one.status ?? one.ret)).toEqual([0, 0, 0]);
    const { findings } = await checkTrace(readCase(name), { name });
    expect(findings).toMatchObject([{ kind: "direct-map-hole", ioba: 0x800_0000_0080_0000n, pages: 124 }]);
  });

  it("30: what each step charges to locked memory is told, and why", () => {
    const told = run("30-memlock.jsonl").map(({ locked }) => locked);
    expect(told.slice(0, 4)).toEqual([undefined, undefined, undefined, undefined]);
    expect(told.slice(4)).toEqual([
      "register charges 48 MiB: all pages of the memory that is registered (VFIO-LOCK-2); 48 MiB of locked memory in all",
      "create charges 24 MiB: the window's table, all levels as if they were full, and its copy with user addresses (VFIO-LOCK-2); 72 MiB of locked memory in all",
      undefined,
    ]);
    expect(run("16-l2-no-levels.jsonl").at(-2)!.locked).toMatch(/could not be made stays charged/);
  });

  it("33: a device goes on where its window was made larger", () => {
    const lines = results("33-window-grown.jsonl");
    expect(lines.every(({ ret }) => ret === 0)).toBe(true);
    expect(lines.flatMap(({ out }) => out?.val ?? [])).toEqual([
      "0x1111111111111111",
      "0x0",
      "0x1111111111111111",
    ]);
    expect(run("33-window-grown.jsonl")[13]!.locked).toMatch(/^remove gives back 256 KiB; 16 MiB of/);
  });
});
