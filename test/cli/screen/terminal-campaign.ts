import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeQemu } from "../../live/fake-qemu.ts";
import { PseudoTerminal } from "./pseudo-terminal.ts";

const DIST = path.resolve(import.meta.dirname, "../../../dist");
const put = (page: number): string =>
  `spapr_iommu_pci_put liobn=0x80000000 ioba=0x${page.toString(16)}000 tce=0x${page.toString(16)}003 ret=0\n`;

let folder: string;
let qemu: FakeQemu;
let terminal: PseudoTerminal;

/** Waits for it; the limit of the test is for when it never comes. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function attach(...more: readonly string[]): Promise<PseudoTerminal> {
  const args = ["attach", "--qmp", qemu.socket, "--log", qemu.log, "--base", "none", ...more];
  terminal = new PseudoTerminal(folder, [path.join(DIST, "program/main.js"), ...args]);
  await until(() => qemu.events.get("spapr_iommu_xlate") === "enabled");
  return terminal;
}

const shows = (text: string | RegExp) => (): boolean =>
  terminal.isTaken && terminal.picture.lines.join("\n").match(text) !== null;

/** The terminal is as it was, and the settings of QEMU, too. */
function asBefore(): void {
  expect(terminal.note("after")).toBe(terminal.note("before"));
  const { modes } = terminal.picture;
  expect([...modes].sort()).toEqual(["?25", "?7"]);
  expect([...qemu.events.values()]).toEqual(["disabled", "enabled", "disabled"]);
}

/** What only some ways of ending and drawing show, the long run alone has: each takes a process. */
export function useScreens(which: "quick" | "all"): void {
  const some = <Row>(rows: readonly Row[]): readonly Row[] => (which === "all" ? rows : rows.slice(0, 1));

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "terminal-"));
    qemu = new FakeQemu();
    await qemu.listen();
  });
  afterEach(async () => {
    terminal.end();
    await qemu.close();
    rmSync(folder, { recursive: true, force: true });
  });

  describe("attach on a terminal", () => {
    it("shows windows as they change, obeys keys, and leaves the terminal as it was", async () => {
      await attach("--refresh", "50");
      qemu.append(put(1) + put(2));
      await until(shows(/0x80000000 .*262,144 +2 /));
      expect(terminal.picture.lines.at(-1)).toMatch(/^q quit/);
      terminal.type("\t");
      await until(shows(/^>alive in/m));
      terminal.type("\u001b[B?");
      await until(shows(/sort by the next column/));
      terminal.type("?/nothing has this\r");
      await until(shows(/no row has the text/));
      terminal.type("\u001b");
      await until(shows(/^ 0x80000000 +1 +2 /m));
      terminal.type("p");
      await until(shows(/^HELD/m));
      qemu.append(put(3));
      await new Promise((resolve) => setTimeout(resolve, 400));
      expect(shows(/262,144 +2 /)()).toBe(true);
      terminal.type("p");
      await until(shows(/262,144 +3 /));
      terminal.type("q");
      await terminal.exit;
      expect(terminal.note("status")).toBe("0");
      asBefore();
      // What is to be remembered is on the terminal afterwards.
      expect(terminal.picture.lines.join("\n")).toMatch(
        /0x80000000 .*3 events.*trace settings were put back/s,
      );
    });

    if (which === "all") {
      it("follows the size of its terminal", async () => {
        await attach();
        await until(shows(/h help {2}Tab pane .* filter/));
        terminal.resize(40, 10);
        const taken = terminal.output.length;
        await until(() => terminal.output.slice(taken).includes("h help"));
        expect(terminal.picture.lines).toHaveLength(10);
        for (const line of terminal.picture.lines) expect(line.length).toBeLessThanOrEqual(40);
        terminal.type("q");
        await terminal.exit;
        asBefore();
      });

      it("ends at once by a second Ctrl-C, with the terminal as it was", async () => {
        qemu.silent = (command) =>
          command === "trace-event-set-state" && qemu.events.get("spapr_iommu_xlate") === "enabled";
        await attach();
        await until(shows(/quit/));
        terminal.type("\u0003");
        await until(shows(/^ENDING/m));
        terminal.type("\u0003");
        await terminal.exit;
        expect(terminal.note("status")).toBe("130");
        expect(terminal.note("after")).toBe(terminal.note("before"));
        expect(terminal.isTaken).toBe(false);
      });

      it("prints the state at the end with --no-screen, and draws nothing", async () => {
        await attach("--no-screen");
        qemu.append(put(1));
        terminal.type("\u0003");
        await terminal.exit;
        // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
        expect(terminal.output).not.toMatch(/\u001b\[\?/);
        expect(terminal.output).toContain("trace settings were put back");
      });
    }

    it.each(
      some([
        { how: "SIGTERM", end: () => terminal.signal("SIGTERM") },
        { how: "Ctrl-C", end: () => terminal.type("\u0003") },
        { how: "SIGHUP", end: () => terminal.signal("SIGHUP") },
        { how: "the end of QEMU", end: () => qemu.end() },
      ]),
    )("leaves the terminal as it was by $how", async ({ how, end }) => {
      await attach();
      await until(shows(/quit/));
      await end();
      await terminal.exit;
      expect(terminal.note("status")).toBe("0");
      if (how !== "the end of QEMU") asBefore();
      expect(terminal.note("after")).toBe(terminal.note("before"));
      expect(terminal.isTaken).toBe(false);
    });

    it("gives the terminal back while it is stopped, and takes it again", async () => {
      await attach("--refresh", "50");
      await until(shows(/quit/));
      const state = (): string => readFileSync(`/proc/${terminal.pid}/stat`, "utf8").split(") ")[1]![0]!;
      terminal.type("\u001a");
      // What it wrote before it stopped comes when it comes.
      await until(() => state() === "T" && !terminal.isTaken);
      qemu.append(put(1));
      terminal.signal("SIGCONT");
      await until(shows(/262,144 +1 /));
      terminal.type("q");
      await terminal.exit;
      asBefore();
    });

    it("shows what a log has in it, and obeys none of it", async () => {
      await attach("--refresh", "50");
      qemu.append(
        `spapr_iommu_pci_put liobn=0x80000000 \u001b[?1049l\u001b]0;title\u0007 ioba=0x0\n${put(5)}`,
      );
      // From here on nothing is known but what comes now.
      await until(shows(/\d things? not known/));
      qemu.append(put(6));
      await until(shows(/262,144 +1 /));
      terminal.type("3");
      await until(shows(/^>finding/m));
      // The picture is made by who knows only sequences of ours, and throws at others.
      terminal.type("q");
      await terminal.exit;
      expect(terminal.output).not.toContain("title\u0007");
      asBefore();
    });
  });

  describe("a whole terminal", () => {
    it.each(
      some([
        { how: "throws", body: "throw new Error('it broke')", status: "1", said: "it broke" },
        { how: "rejects", body: "Promise.reject(new Error('it broke'))", status: "1", said: "it broke" },
        { how: "exits", body: "process.exit(5)", status: "5", said: "" },
      ]),
    )("is as it was when the program $how", async ({ body, status, said }) => {
      const file = path.join(folder, "program.mjs");
      writeFileSync(
        file,
        `import { FullScreen } from ${JSON.stringify(pathToFileURL(path.join(DIST, "cli/screen/full-screen.js")))};
       new FullScreen({ draw: () => ["drawn"], press: () => {} }).open();
       process.stdin.once("data", () => { ${body}; });`,
      );
      terminal = new PseudoTerminal(folder, [file]);
      await until(shows("drawn"));
      terminal.type("x");
      await terminal.exit;
      expect(terminal.note("status")).toBe(status);
      expect(terminal.note("after")).toBe(terminal.note("before"));
      expect(terminal.isTaken).toBe(false);
      // It stands on the screen that is left.
      expect(terminal.output.split("\u001b[?1049l").at(-1)).toContain(said);
    });
  });
}
