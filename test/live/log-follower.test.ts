import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LogFollower, sizeOf } from "../../src/live/log-follower.ts";
import { Random } from "../helpers/random.ts";

let folder: string;
let log: string;
beforeEach(() => {
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
  it("waits for a file that is not there yet", async () => {
    const follower = new LogFollower(log, await sizeOf(log));
    expect(await poll(follower)).toBe("");
    writeFileSync(log, "first\n");
    expect(await poll(follower)).toBe("first\n");
    await follower.close();
  });

  it("gives everything that was written behind the place where it began, once", async () => {
    writeFileSync(log, "old\n");
    const follower = new LogFollower(log, await sizeOf(log));
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
      change: () => truncateSync(log, 2),
      message: /log: the log was cut to 2 bytes; 6 were read/,
    },
    { name: "taken away", change: () => rmSync(log), message: /log: the log was taken away/ },
    {
      name: "replaced",
      change: () => {
        renameSync(log, `${log}.1`);
        writeFileSync(log, "another one\n");
      },
      message: /log: the log was replaced by another file/,
    },
  ])("is an error when it is $name", async ({ change, message }) => {
    writeFileSync(log, "first\n");
    const follower = new LogFollower(log, 0);
    await poll(follower);
    change();
    await expect(poll(follower)).rejects.toThrow(message);
    await follower.close();
  });

  it("is an error when what was there at the beginning is gone", async () => {
    await expect(poll(new LogFollower(log, 10))).rejects.toThrow(/the log was taken away/);
  });
});
