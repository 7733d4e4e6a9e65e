import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LogFollower, sizeOf } from "../../src/live/log-follower.ts";
import { Random } from "../helpers/random.ts";

let folder: string;
let log: string;
/** What the follower said: what it may have missed begins with "lost: ". */
let troubles: string[];
const follow = (offset: number): LogFollower =>
  new LogFollower(log, offset, (what, lost) => troubles.push(lost ? `lost: ${what}` : what));
beforeEach(() => {
  troubles = [];
  folder = mkdtempSync(path.join(tmpdir(), "follow-"));
  log = path.join(folder, "log");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function poll(follower: LogFollower): Promise<string> {
  let text = "";
  await follower.poll((chunk) => {
    text += Buffer.from(chunk).toString("latin1");
  });
  return text;
}

describe("following a log", () => {
  it.each([
    { name: "a pipe", make: () => execFileSync("mkfifo", [log]) },
    { name: "a folder", make: () => mkdirSync(log) },
    { name: "a device", make: () => symlinkSync("/dev/zero", log) },
  ])("refuses $name, and does not wait for it", async ({ make }) => {
    make();
    const is = /log: a log can be followed only in a file, and this is none$/;
    await expect(sizeOf(log)).rejects.toThrow(is);
    await expect(poll(follow(0))).rejects.toThrow(is);
  });

  it("goes on with what it has when a pipe takes its place", async () => {
    writeFileSync(log, "one\n");
    const follower = follow(0);
    expect(await poll(follower)).toBe("one\n");
    renameSync(log, `${log}.0`);
    execFileSync("mkfifo", [log]);
    appendFileSync(`${log}.0`, "two\n");
    expect(await poll(follower)).toBe("two\n");
    await follower.close();
  });

  it("waits for a file that is not there yet", async () => {
    const follower = follow(await sizeOf(log));
    expect(await poll(follower)).toBe("");
    writeFileSync(log, "first\n");
    expect(await poll(follower)).toBe("first\n");
    await follower.close();
  });

  it("gives everything that was written behind the place where it began, once", async () => {
    writeFileSync(log, "old\n");
    const follower = follow(await sizeOf(log));
    const random = new Random(5);
    let written = "";
    let read = "";
    for (let i = 0; i < 100; i++) {
      const text = String(i).repeat(random.below(i === 50 ? 2_000_000 : 50));
      appendFileSync(log, text);
      written += text;
      if (random.below(2) === 0) read += await poll(follower);
    }
    read += await poll(follower);
    expect(read).toBe(written);
    expect(follower.offset).toBe(4 + written.length);
    await follower.close();
  });

  it.each([
    {
      name: "cut",
      change: () => {
        truncateSync(log, 0);
        appendFileSync(log, "new\n");
      },
      read: "new\n",
      said: ["lost: the log was cut to 4 bytes, 6 were read"],
    },
    {
      name: "cut while its writer goes on where it was",
      change: () => {
        truncateSync(log, 0);
        const fd = openSync(log, "r+");
        writeSync(fd, "new\n", 6);
        closeSync(fd);
      },
      read: "new\n",
      said: [],
    },
    {
      name: "cut between, while its writer goes on",
      change: () => {
        const fd = openSync(log, "r+");
        writeSync(fd, "new\n", 100);
        closeSync(fd);
      },
      read: "new\n",
      said: ["lost: there are zeros in the log, as where a log was cut that is written on to"],
    },
    {
      name: "taken away",
      change: () => rmSync(log),
      read: "",
      said: ["the log was taken away; what is still written to it is read"],
    },
    {
      name: "renamed, and nothing is in its place yet",
      change: () => {
        appendFileSync(log, "last\n");
        renameSync(log, `${log}.1`);
      },
      read: "last\n",
      said: [],
    },
    {
      name: "rotated",
      change: () => {
        appendFileSync(log, "last\n");
        renameSync(log, `${log}.1`);
        writeFileSync(log, "another one\n");
      },
      read: "last\nanother one\n",
      said: [],
    },
    {
      name: "replaced",
      change: () => {
        writeFileSync(`${log}.new`, "another one\n");
        renameSync(`${log}.new`, log);
      },
      read: "another one\n",
      said: ["lost: the log was replaced by another file"],
    },
  ])("reads on and says so when it is $name", async ({ change, read, said }) => {
    writeFileSync(log, "first\n");
    const follower = follow(0);
    await poll(follower);
    change();
    expect(await poll(follower)).toBe(read);
    expect(troubles).toEqual(said);
    await poll(follower);
    expect(troubles).toEqual(said);
    await follower.close();
  });

  it("reads what is written to a file that was taken away, or renamed, until another has something in it", async () => {
    writeFileSync(log, "first\n");
    const writer = openSync(log, "a");
    const follower = follow(0);
    await poll(follower);
    renameSync(log, `${log}.1`);
    writeSync(writer, "second\n");
    expect(await poll(follower)).toBe("second\n");
    writeFileSync(log, "");
    writeSync(writer, "third\n");
    expect(await poll(follower)).toBe("third\n");
    appendFileSync(log, "fourth\n");
    expect(await poll(follower)).toBe("fourth\n");
    closeSync(writer);
    await follower.close();
  });

  it("is an error when what was there at the beginning is gone", async () => {
    await expect(poll(follow(10))).rejects.toThrow(/the log was taken away/);
  });
});
