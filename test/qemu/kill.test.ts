import type { ChildProcess } from "node:child_process";
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseOpScript } from "../../src/formats/op-script/script.ts";
import { Random, rounds, runSeed } from "../helpers/random.ts";
import { CliProcess } from "./cli-process.ts";
import { RunningQemu } from "./running-qemu.ts";
import { until } from "./until.ts";

const SCRIPT = [
  '{"header":1,"phbs":[{"index":0}]}',
  '{"op":"h_put_tce","liobn":"0x80000000","ioba":"0x1000","tce":"0x2003"}',
  '{"op":"h_put_tce","liobn":"0x80000000","ioba":"0x2000","tce":"0x3003"}',
].join("\n");

let qemu: RunningQemu;
const GUARDIAN = path.resolve(import.meta.dirname, "../../dist/live/guardian.js");

/** Folders of the tool, and processes that guard what it changed. */
function leftovers(): string[] {
  const folders = readdirSync(qemu.folder).filter((name) => name.startsWith("spapr-iommu-"));
  const guardians = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && isGuardian(pid));
  return [...folders, ...guardians.map((pid) => `process ${pid}`)];
}

function isGuardian(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(GUARDIAN);
  } catch {
    return false;
  }
}

beforeEach(async () => {
  qemu = await RunningQemu.start(parseOpScript(SCRIPT, "script"), { gates: [1] });
  await qemu.atGate();
});
afterEach(async () => {
  await qemu.stop();
});

const attach = (...more: string[]): CliProcess =>
  new CliProcess(["attach", "--qmp", qemu.qmp, "--output", "jsonl", ...more], { TMPDIR: qemu.folder });

const expectNothingLeft = (): Promise<void> =>
  until(
    () => leftovers().length === 0,
    () => `what is ours to go: ${leftovers()}`,
    45,
  );

/** QEMU is as it was before the tool came; whoever puts it back gets a moment. */
async function expectUntouched(): Promise<void> {
  let last: unknown;
  const asBefore = async (): Promise<boolean> => {
    last = await qemu.settings();
    return JSON.stringify(last) === JSON.stringify({ enabled: [], status: "running" });
  };
  await until(asBefore, "the settings to be put back", 45).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(last)}`);
  });
  await expectNothingLeft();
  // The guest does go on.
  qemu.openGate();
  await qemu.atGate();
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await qemu.settings()).toEqual({ enabled: [], status: "running" });
}

// From before the connection is made until long after the first state: a start takes about 0.4 s here.
const MOMENTS = [20, 150, 200, 250, 300, 350, 400, 450, 500, 600, 800, 1500];

describe("a tool that is killed", () => {
  it.each(
    MOMENTS.flatMap((ms) =>
      (["SIGKILL", "SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) => ({ ms, signal })),
    ),
  )("by $signal after $ms ms leaves QEMU as it was", async ({ ms, signal }) => {
    const tool = attach();
    await new Promise((resolve) => setTimeout(resolve, ms));
    tool.child.kill(signal);
    const { status } = await tool.exit;
    if (signal !== "SIGKILL") expect([0, 1, null]).toContain(status);
    if (status === 1) expect(tool.stderr).toMatch(/interrupted by SIG/);
    await expectUntouched();
  });
});

describe("a QEMU that ends", () => {
  it.each(MOMENTS)("by SIGKILL after %i ms is reported", async (ms) => {
    const tool = attach();
    await new Promise((resolve) => setTimeout(resolve, ms));
    qemu.child.kill("SIGKILL");
    expect((await tool.exit).status).toBe(1);
    expect(tool.stderr).toMatch(/^spapr-iommu: .*(QEMU|socket)/m);
    expect(tool.stderr.trim().split("\n")).toHaveLength(1);
    await expectNothingLeft();
  });

  it("as it was asked to is a good end", async () => {
    const tool = attach();
    await tool.line("attached");
    qemu.child.kill("SIGTERM");
    expect((await tool.exit).status, tool.stderr).toBe(0);
    expect(await tool.line("end")).toMatchObject({ reason: "qemu-ended" });
  });
});

const isRunning = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode === null && signalCode === null;

/** A moment at which somebody gets a signal. */
interface Kill {
  readonly who: "the tool" | "QEMU";
  readonly signal: NodeJS.Signals;
  readonly ms: number;
}

/** Half of them in the time in which a session begins, and half of them later. */
function seededKills(count: number): Kill[] {
  const random = new Random(runSeed());
  return Array.from({ length: count }, () => ({
    who: random.pick(["the tool", "QEMU"]),
    signal: random.pick(["SIGINT", "SIGTERM", "SIGKILL"]),
    ms: random.below(random.chance(0.5) ? 600 : 2500),
  }));
}

describe(`moments of a session, SEED=${runSeed()}`, () => {
  it.each(seededKills(rounds(300)))(
    "$signal to $who after $ms ms leaves nothing",
    async ({ who, signal, ms }) => {
      const tool = attach();
      await new Promise((resolve) => setTimeout(resolve, ms));
      (who === "QEMU" ? qemu : tool).child.kill(signal);
      const { status } = await tool.exit;
      expect(tool.stderr).not.toMatch(/^\s+at /m);
      if (who === "QEMU") {
        // One that is asked to end while it answers may hang: QEMU 7.2 did, once in some forty times.
        if (/no answer to \S+ within 30 s/.test(tool.stderr)) {
          expect(status).toBe(1);
          expect(isRunning(qemu.child)).toBe(true);
          qemu.child.kill("SIGKILL");
          await expectNothingLeft();
          return;
        }
        // A session that had begun ends well with a QEMU that says so.
        const isGood = tool.lines.some(({ type, reason }) => type === "end" && reason === "qemu-ended");
        expect(status, tool.stderr).toBe(isGood ? 0 : 1);
        if (!isGood) expect(tool.stderr).toMatch(/^spapr-iommu: .*(QEMU|socket)/m);
        await expectNothingLeft();
      } else {
        if (signal !== "SIGKILL") expect([0, 1, null]).toContain(status);
        if (status === 1) expect(tool.stderr).toMatch(/interrupted by SIG/);
        await expectUntouched();
      }
    },
  );
});

describe("a log that breaks", () => {
  it.each([
    { name: "is taken away", change: (log: string) => rmSync(log), message: /the log was taken away/ },
    { name: "is cut", change: (log: string) => truncateSync(log, 0), message: /the log was cut to 0 bytes/ },
    {
      name: "is replaced",
      change: (log: string) => {
        writeFileSync(`${log}.new`, "x".repeat(100_000));
        renameSync(`${log}.new`, log);
      },
      message: /the log was replaced/,
    },
  ])("because it $name is reported at once, and QEMU is as it was", async ({ change, message }) => {
    const tool = attach();
    await tool.line("attached");
    qemu.openGate();
    await until(() => tool.lines.at(-1).events > 0, "an event");
    expect(existsSync(qemu.log)).toBe(true);
    change(qemu.log);
    await until(() => message.test(tool.stderr), "the doubt");
    tool.child.kill("SIGINT");
    expect((await tool.exit).status).toBe(2);
    expect(await qemu.settings()).toEqual({ enabled: [], status: "running" });
  });
});

/** A connection to QEMU that the test can break. */
class BreakableProxy {
  readonly path: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(folder: string, target: string) {
    this.path = path.join(folder, "proxy");
    this.#server = createServer((client) => {
      const server = connect(target);
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#sockets.add(from);
        from.on("error", () => {});
        from.on("close", () => to.destroy());
        from.pipe(to);
      }
    });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.path, resolve));
  }

  break(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  close(): void {
    this.break();
    this.#server.close();
  }
}

describe("a connection that breaks while QEMU lives", () => {
  it.each(MOMENTS)("after %i ms is reported, and QEMU is as it was", async (ms) => {
    const proxy = new BreakableProxy(qemu.folder, qemu.qmp);
    await proxy.listen();
    const tool = new CliProcess(["attach", "--qmp", proxy.path, "--log", qemu.log, "--output", "jsonl"]);
    try {
      await new Promise((resolve) => setTimeout(resolve, ms));
      proxy.break();
      // Too early a break is none: nobody was connected.
      if (
        tool.lines.length === 0 &&
        (await Promise.race([tool.exit, tool.line("attached")])).status === undefined
      )
        proxy.break();
      expect((await tool.exit).status).toBe(1);
      expect(tool.stderr).toMatch(/QEMU closed the connection/);
      await expectUntouched();
    } finally {
      proxy.close();
    }
  });
});

describe("attach to what is not there", () => {
  it.each([
    { name: "no socket", socket: "/nonexistent/qmp", message: /there is no such socket/ },
    { name: "a file", socket: path.resolve("package.json"), message: /nobody listens|not a socket/ },
  ])("$name", async ({ socket, message }) => {
    const tool = new CliProcess(["attach", "--qmp", socket]);
    expect((await tool.exit).status).toBe(1);
    expect(tool.stderr).toMatch(message);
  });

  it("says where the log should be when nothing tells", async () => {
    await qemu.stop();
    qemu = await RunningQemu.start(parseOpScript(SCRIPT, "script"), { gates: [1], log: false });
    const tool = attach();
    expect((await tool.exit).status).toBe(63);
    expect(tool.stderr).toMatch(/start it with -D FILE, or name the file with --log/);
    await expectUntouched();
  });
});
