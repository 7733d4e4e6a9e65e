import stringWidth from "string-width";
import { describe, expect, it } from "vitest";
import { setColored } from "../../../src/cli/colors.ts";
import { shown } from "../../../src/cli/output.ts";
import { drawScreen, inAscii, type ScreenSize, type ScreenState } from "../../../src/cli/screen/draw.ts";
import { FIRST_KEYS, type KeyState } from "../../../src/cli/screen/keys.ts";
import { isAsciiLocale } from "../../../src/cli/terminal.ts";
import type { LiveSnapshot } from "../../../src/live/live-state.ts";
import { HOSTILE, hostile, large, SNAPSHOT } from "./snapshots.ts";

const SIZES: readonly ScreenSize[] = [
  { columns: 80, rows: 24 },
  { columns: 40, rows: 10 },
  { columns: 200, rows: 60 },
  { columns: 20, rows: 4 },
  { columns: 1, rows: 1 },
];
const attached = {
  qemu: "7.2.22",
  log: "/var/log/qemu.log",
  taint: null,
  base: { kind: "mtree", refused: [], pausedSeconds: 0, bytes: 0, windows: 2 },
} as const;

const stateOf = (snapshot: LiveSnapshot | undefined, keys: Partial<KeyState> = {}): ScreenState => ({
  attached,
  snapshot,
  isEnding: false,
  keys: { ...FIRST_KEYS, ...keys },
});

/** Lines as a terminal gets them, without colours. */
function textOf(state: ScreenState, size: ScreenSize): string[] {
  setColored(false);
  return drawScreen(state, size).lines.map(shown);
}

describe("the screen", () => {
  it("has all at 80 columns and 24 rows", () => {
    expect(textOf(stateOf(SNAPSHOT), SIZES[0]!).map((line) => line.trimEnd())).toEqual([
      "1:02:03  99,321 events/s  lag 3 MiB (2.5 s)  1,234,567 events  QEMU 7.2.22",
      "1 mistake  1 warning  42 pages mapped before  base mtree  log /var/log/qemu.log",
      ">window       entries    mapped      used    maps/s  unmaps/s    DMAs/s",
      " 0x80000000   262,144    65,536    25.0 %     5,000         7   123,456",
      " 0x80000001   262,144   131,072    50.0 %    20,000         7   123,456",
      " alive in     pages     count     bytes    oldest  at                     event",
      " 0x80000000      16        10   640 KiB    3.25 s  0x0000000000123000        77",
      " 0x80000000       1       100   400 KiB    3.25 s  0x0000000000123000        77",
      " finding     window      address             times  what",
      " dma-fault   0x80000000  0x0000000000456000      3  a DMA went nowhere",
      " double-map  0x80000000  0x0000000000456000      3  a page is mapped twice",
      ...Array.from({ length: 12 }, () => ""),
      "q quit  h help  Tab pane  s sort  r reverse  p hold  / filter",
    ]);
  });

  it("shows the pane with the keys alone where there is little room", () => {
    expect(textOf(stateOf(SNAPSHOT, { pane: "alive" }), SIZES[1]!).map((line) => line.trimEnd())).toEqual([
      "99,321 events/s  lag 3 MiB (2.5 s)",
      "1 mistake  1 warning",
      ">alive in     pages     count     bytes",
      " 0x80000000      16        10   640 KiB",
      " 0x80000000       1       100   400 KiB",
      "",
      "",
      "",
      "",
      "q quit  h help  Tab pane  s sort  p hold",
    ]);
  });

  it("has all columns where there is room", () => {
    const [, , head, first] = textOf(stateOf(SNAPSHOT), SIZES[2]!);
    expect(head!.trimEnd()).toMatch(/starts at +page .* unknown {2}inferred$/);
    expect(first).toMatch(/0x80000000 {2}0x0{16} +4 KiB/);
  });

  it.each([SIZES[0]!, SIZES[1]!])("says at $columns columns that a window is bypassed", (size) => {
    const windows = [SNAPSHOT.windows[0]!, { ...SNAPSHOT.windows[1]!, bypass: true as const }];
    const [, , , first, second] = textOf(stateOf({ ...SNAPSHOT, windows }), size);
    expect(first).not.toMatch(/bypass/);
    expect(second).toMatch(/^ 0x80000001 bypassed .* 50\.0 %/);
    const only = textOf(stateOf({ ...SNAPSHOT, windows }, { filter: "bypassed" }), size);
    expect(only.filter((line) => /^ 0x8000000[01] +bypassed/.test(line))).toHaveLength(1);
  });

  it.each(SIZES)("is never larger than its terminal: $columns x $rows", (size) => {
    for (const snapshot of [undefined, SNAPSHOT, hostile, large(3), large(500)])
      for (const keys of [
        {},
        { isHelp: true },
        { isTyping: true, filter: HOSTILE },
        { pane: "findings" },
      ] as const) {
        for (const isAttached of [true, false]) {
          const state = stateOf(snapshot, keys);
          const lines = textOf(isAttached ? state : { ...state, attached: undefined }, size);
          expect(lines).toHaveLength(Math.max(size.rows, 2) - (size.rows < 2 ? 1 : 0));
          for (const line of lines) expect(stringWidth(line), line).toBeLessThanOrEqual(size.columns);
        }
      }
  });

  it("has nothing that a terminal obeys but its own colours", () => {
    for (const isColored of [false, true]) {
      setColored(isColored);
      for (const size of SIZES) {
        const state = stateOf(hostile, { pane: "findings", filter: "" });
        const lines = drawScreen(
          { ...state, attached: { ...attached, log: HOSTILE, qemu: HOSTILE } },
          size,
        ).lines;
        for (const line of lines.map(shown)) {
          // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
          const plain = line.replaceAll(/\u001b\[\d+m/g, "");
          expect(isColored ? plain : line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
        }
      }
    }
  });

  it("says what is not known, and that it is held, behind or ending", () => {
    const [first] = textOf(stateOf(SNAPSHOT, { isPaused: true }), SIZES[0]!);
    expect(first).toMatch(/^HELD .*lag 3 MiB \(2\.5 s\)/);
    expect(textOf({ ...stateOf(SNAPSHOT), isEnding: true }, SIZES[0]!)[0]).toMatch(/^ENDING /);
    const early = textOf({ ...stateOf(undefined), attached: undefined }, SIZES[0]!);
    expect(early.slice(0, 2).join()).toMatch(/^ATTACHING .*nothing was read yet/);
    const doubted = textOf(
      stateOf({ ...SNAPSHOT, doubts: ["the log was cut"] }, { pane: "findings" }),
      SIZES[0]!,
    );
    expect(doubted[1]).toContain("1 thing not known");
    expect(doubted.join("\n")).toMatch(/not known .*the log was cut/);
    expect(textOf(stateOf({ ...SNAPSHOT, alive: null }), SIZES[0]!)[1]).toContain("kept apart");
  });

  it("sorts, filters and scrolls", () => {
    const rowsOf = (keys: Partial<KeyState>): string[] =>
      textOf(stateOf(large(100), keys), { columns: 80, rows: 12 })
        .filter((line) => line.startsWith(" 0x8"))
        .map((line) => line.trim().split(/\s+/)[0]!);
    const sort = { ...FIRST_KEYS.sort, windows: { column: 4, down: true } };
    expect(rowsOf({}).slice(0, 2)).toEqual(["0x80000000", "0x80000001"]);
    expect(rowsOf({ sort }).slice(0, 2)).toEqual(["0x80000063", "0x80000062"]);
    expect(rowsOf({ filter: "X80000041" })[0]).toBe("0x80000041");
    expect(rowsOf({ scroll: { ...FIRST_KEYS.scroll, windows: 50 } })[0]).toBe("0x80000032");
    expect(rowsOf({ scroll: { ...FIRST_KEYS.scroll, windows: 10_000 } }).includes("0x80000063")).toBe(true);
    const { limits } = drawScreen(stateOf(large(100)), { columns: 80, rows: 30 });
    expect(limits.most + limits.page).toBe(100);
  });

  it("gives each pane some rows, and the most to the one with the keys", () => {
    for (const pane of ["windows", "alive", "findings"] as const) {
      const lines = textOf(stateOf(large(100), { pane }), { columns: 80, rows: 24 });
      const heads = ["window", "alive in", "finding"].map((head) =>
        lines.findIndex((line) => line.slice(1).startsWith(head)),
      );
      const heights = [...heads.slice(1), 23].map((end, i) => end - heads[i]!);
      expect(heights.reduce((sum, height) => sum + height, 0)).toBe(21);
      expect(Math.min(...heights)).toBe(3);
      expect(heights[["windows", "alive", "findings"].indexOf(pane)]).toBe(15);
    }
  });

  it("is ASCII where the terminal has nothing else", () => {
    const lines = textOf(stateOf(hostile, { pane: "findings" }), { columns: 60, rows: 24 }).map(inAscii);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    for (const line of lines) expect(line).not.toMatch(/[^\u0000-\u007f]/);
    expect(inAscii("a…ü")).toBe("a~?");
  });

  it.each([
    [{ LANG: "de_DE.UTF-8" }, false],
    [{ LANG: "C" }, true],
    [{}, true],
    [{ LANG: "C.utf8", LC_ALL: "POSIX" }, true],
    [{ LANG: "C", LC_CTYPE: "en_US.UTF-8", LC_ALL: "" }, false],
  ] as const)("takes %o for one of ASCII: %s", (env, expected) => {
    expect(isAsciiLocale(env)).toBe(expected);
  });
});
