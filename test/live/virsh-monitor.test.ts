import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NoQemuError } from "../../src/live/qmp.ts";
import { VirshMonitor } from "../../src/live/virsh-monitor.ts";

const VERSION = { qemu: { major: 9, minor: 0, micro: 2 } };
const before = process.env.PATH;
let folder: string;

/** A virsh that prints what it is told for each command, and notes how it was called. */
function virshSays(answers: Readonly<Record<string, string>>, otherwise = "exit 7"): void {
  const cases = Object.entries(answers).map(([pattern, work]) => `*${pattern}*) ${work} ;;`);
  const script = `#!/bin/sh\necho "$*" >> "${folder}/calls"\ncase "$*" in\n${cases.join("\n")}\n*) ${otherwise} ;;\nesac\n`;
  writeFileSync(path.join(folder, "virsh"), script);
  chmodSync(path.join(folder, "virsh"), 0o755);
}
const returns = (value: unknown): string => `echo '${JSON.stringify({ return: value, id: "libvirt-1" })}'`;
const fails = (text: string): string => `echo "error: ${text}" >&2; exit 1`;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "virsh-"));
  process.env.PATH = `${folder}:${before}`;
});
afterEach(() => {
  process.env.PATH = before;
  rmSync(folder, { recursive: true, force: true });
});

describe("the monitor of a domain", () => {
  it("carries out commands, and tells QEMU's refusals", async () => {
    virshSays({
      "query-version": returns(VERSION),
      "query-status": returns({ status: "running" }),
      nonsense: `echo '{"id":"libvirt-2","error":{"class":"CommandNotFound","desc":"no such command"}}'`,
    });
    const monitor = await VirshMonitor.open("guest", "qemu:///system");
    expect(monitor.version).toBe("9.0.2");
    expect((await monitor.execute("query-status")).get("status").text).toBe("running");
    await expect(monitor.execute("nonsense")).rejects.toThrow("QEMU refused nonsense: no such command");
    monitor.close();
    expect(monitor.isClosed).toBe(true);
    await expect(monitor.execute("query-status")).rejects.toThrow(/domain guest: the session was closed/);
  });

  it.each([
    {
      name: "no domain",
      work: fails("failed to get domain 'guest'"),
      message: /failed to get domain 'guest'/,
    },
    {
      name: "one that does not run",
      work: fails("Requested operation is not valid: domain is not running"),
      message: /domain is not running/,
    },
  ])("tells that there is $name from other troubles", async ({ work, message }) => {
    virshSays({}, work);
    const error = await VirshMonitor.open("guest", undefined).catch((reason) => reason);
    expect(error.message).toMatch(message);
    expect(error).toBeInstanceOf(NoQemuError);
  });

  it.each([
    { name: "rights are missing", work: fails("authentication failed"), message: /authentication failed/ },
    {
      name: "it prints no JSON",
      work: "echo hello",
      message: /virsh's answer to query-version is no JSON: "hello/,
    },
    { name: "it prints something else", work: "echo 7", message: /answer query-version is 7, not an object/ },
    { name: "it says nothing", work: "exit 3", message: /domain guest: Command failed/ },
  ])("says what is wrong when $name", async ({ work, message }) => {
    virshSays({}, work);
    const error = await VirshMonitor.open("guest", undefined).catch((reason) => reason);
    expect(error.message).toMatch(message);
    expect(error).not.toBeInstanceOf(NoQemuError);
  });

  it("does not wait for ever", async () => {
    virshSays({}, "exec sleep 60");
    await expect(VirshMonitor.open("guest", undefined, { timeoutSeconds: 0.2 })).rejects.toThrow(
      /virsh qemu-monitor-command did not end within 0.2 s/,
    );
  });

  it("says which package is missing", async () => {
    process.env.PATH = folder;
    await expect(VirshMonitor.open("guest", undefined)).rejects.toThrow(/there is no virsh.*libvirt-clients/);
  });

  it("notices that the domain ended, and says so as QEMU would", async () => {
    virshSays(
      { "query-version": returns(VERSION) },
      fails("Requested operation is not valid: domain is not running"),
    );
    const monitor = await VirshMonitor.open("guest", undefined);
    const events: string[] = [];
    monitor.onEvent = ({ event }) => events.push(event);
    expect(await monitor.closed).toBeInstanceOf(NoQemuError);
    expect(events).toEqual(["SHUTDOWN"]);
  });
});
