import { describe, expect, it } from "vitest";
import type { CheckReport } from "../../src/check/report.ts";
import { readCorpus } from "../helpers/corpus.ts";
import { some } from "../helpers/some.ts";
import { checkTrace } from "./checked.ts";

const QEMU = textOf("nvme-e1000-1g-linux61.log").slice(0, 3000);
const OTHER_QEMU = textOf("ddw-off-nvme-e1000-linux61.log").slice(0, 3000);
const LINUX = textOf("dma-ppc64le-linux612-planted.txt");

function textOf(name: string): string[] {
  return new TextDecoder().decode(readCorpus("traces", name)).split("\n").slice(0, -1);
}

const report = (lines: readonly string[]): CheckReport => checkTrace(`${lines.join("\n")}\n`);

/** Kinds and events of what was found, and what was not judged. */
const found = ({ findings, notJudged }: CheckReport) => ({
  findings: findings.map(({ kind, events }) => [kind, events]),
  notJudged: notJudged.map(({ count, reason }) => [count, reason]),
});

describe("a text in which each line stands twice", () => {
  const twice = (lines: readonly string[], before: readonly string[] = ["", ""]): string[] =>
    lines.flatMap((line) => before.map((prefix) => prefix + line));

  it.each([
    { what: "of QEMU", lines: QEMU },
    { what: "of Linux", lines: LINUX },
  ])("is read once: $what", ({ lines }) => {
    const { findings, notJudged } = found(report(lines));
    expect(found(report(twice(lines)))).toEqual({
      findings,
      notJudged: expect.arrayContaining([
        ...notJudged,
        [lines.filter((line) => line !== "").length, "lines that stand twice, once of each"],
      ]),
    });
  });

  it("may have other things before one of them: another backend's time, a logger's", () => {
    const lines = QEMU.slice(0, 100);
    const { findings } = found(report(lines));
    for (const before of [
      ["100@1795820252.000001:", ""],
      ["", "Nov 27 22:13:24 host qemu-system-ppc64[100]: "],
    ]) {
      expect(found(report(twice(lines, before))).findings).toEqual(findings);
    }
  });

  it("is none where the same happens twice", () => {
    const lines = QEMU.slice(0, 40);
    expect(report([...lines, ...twice(lines.slice(-1))]).events).toBe(42);
    expect(report(twice(lines.slice(0, 2))).events).toBe(4);
  });
});

describe("a log of two QEMUs", () => {
  /** With thread and time as QEMU 7.2 writes them: tables are made by the main thread. */
  const timed = (lines: readonly string[], main: number, from: number): string[] =>
    lines.map((line, i) => {
      const isMain = line.includes("new_table") && !lines[i + 1]!.includes("ddw_create");
      return `${isMain ? main : main + 1}@1795820252.${`${from + i * 40}`.padStart(6, "0")}:${line}`;
    });
  const one = timed(QEMU, 100, 0);
  const two = timed(OTHER_QEMU, 200, 2000);
  const timeOf = (line: string): number => Number(/\.(\d+):/.exec(line)![1]);
  const mixed = [...one, ...two].sort((a, b) => timeOf(a) - timeOf(b));

  it("is not judged where they write at the same time, and it is said so", () => {
    const { findings, mismatches, notJudged } = report(mixed);
    expect([findings, mismatches]).toEqual([[], 0]);
    const [said] = notJudged.filter(({ isMissing }) => isMissing);
    expect(said!.reason).toMatch(/several QEMUs write one log at the same time \(threads 100 and 200/);
    expect(said!.count).toBeGreaterThan(5900);
  });

  it("is not judged either where a logger tells their processes", () => {
    const ways: ((line: string, process: number) => string)[] = [
      (line, process) => `Nov 27 22:13:24 host qemu-system-ppc64[${process}]: ${line}`,
      (line, process) =>
        JSON.stringify({ __REALTIME_TIMESTAMP: "1795820252848947", _PID: `${process}`, MESSAGE: line }),
    ];
    for (const way of ways) {
      const [one, two] = [QEMU.slice(0, 400), OTHER_QEMU.slice(0, 400)];
      const both = [one.map((line) => way(line, 100)), two.map((line) => way(line, 200))] as const;
      const mingled = both[0].slice(0, 300).flatMap((line, i) => [line, both[1][i]!]);
      const { findings, notJudged } = report(mingled);
      expect([findings, notJudged.filter(({ isMissing }) => isMissing)]).toEqual([
        [],
        [
          {
            count: 598,
            isMissing: true,
            reason: expect.stringContaining(
              "at the same time (processes 100 and 200), and each is to be judged alone",
            ),
          },
        ],
      ]);
      const { verified } = report([...both[0], ...both[1]]);
      expect(verified).toBe(report(one).verified + report(two).verified);
    }
  });

  it("is judged where one runs after the other", () => {
    const { verified, notJudged } = report([...one, ...two]);
    expect(verified).toBe(report(one).verified + report(two).verified);
    expect(notJudged.filter(({ isMissing }) => isMissing)).toEqual([]);
  });

  it("is told from one QEMU that is reset, of which devices have threads of their own", () => {
    const again = [...one, ...timed(QEMU, 100, 200_000)].map((line) =>
      line.replace(/^101(?=.*xlate)/, "300"),
    );
    expect(report(again).notJudged.filter(({ isMissing }) => isMissing)).toEqual([]);
  });
});

describe("a text that a terminal broke at its width", () => {
  const wrapped = (lines: readonly string[], width: number): string[] =>
    lines.flatMap((line) => line.match(new RegExp(`.{1,${width}}`, "g")) ?? [line]);

  it.each(some([79, 75, 76, 77, 70], 3))("is read as it was, of QEMU: %i columns", (width) => {
    const { verified, findings, mismatches } = report(wrapped(OTHER_QEMU, width));
    expect({ verified, findings, mismatches }).toEqual({ verified: 2999, findings: [], mismatches: 0 });
  });

  it.each(some([130, 100, 120, 132, 138, 142], 3))("is read as it was, of Linux: %i columns", (width) => {
    expect(found(report(wrapped(LINUX, width))).findings).toEqual(found(report(LINUX)).findings);
  });
});

describe("a text with events of QEMU and evidence of Linux", () => {
  const FAULT =
    "nvme 0000:02:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000c address=0xfec3a08c flags=0x0020]";
  const BOOT =
    "[    1.000000] pci 0000:00:01.0: ibm,query-pe-dma-windows(53) 800 8000000 20000000 returned 0, lb=1000000 ps=d wn=1";
  const notRead = (lines: readonly string[]): unknown[] =>
    report(lines)
      .notJudged.filter(({ isMissing }) => isMissing)
      .map(({ count, reason }) => [count, reason.split(":")[0]]);

  it("says what it does not read, and does not call that fine", () => {
    const some = QEMU.slice(0, 100);
    expect(notRead([...some, FAULT, FAULT])).toEqual([
      [2, "lines in which Linux tells of DMA, from line 101 on"],
    ]);
    expect(notRead([FAULT, BOOT, ...some])).toEqual([
      [1, "line in which Linux tells of DMA, from line 1 on"],
    ]);
    expect(notRead([...some, ...LINUX])[0]).toMatchObject([
      100,
      "lines of QEMU's spapr_iommu events, from line 1 on",
    ]);
    expect(notRead([...LINUX, ...some])[0]).toMatchObject([
      100,
      `lines of QEMU's spapr_iommu events, from line ${LINUX.length + 1} on`,
    ]);
  });

  it("is fine with what each guest prints of its windows", () => {
    expect(notRead([BOOT, ...QEMU.slice(0, 100)])).toEqual([]);
  });
});
