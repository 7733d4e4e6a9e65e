import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NewFile } from "../../src/cli/new-file.ts";

let folder: string;
let target: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "new-file-"));
  target = path.join(folder, "out");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("a new file", () => {
  it("is there when it is complete, and before that nobody can foresee its name", () => {
    const files = [new NewFile(target, false), new NewFile(target, false)];
    expect(files[0]!.path).not.toBe(files[1]!.path);
    files[0]!.makeFile();
    writeFileSync(files[0]!.path, "text");
    expect(existsSync(target)).toBe(false);
    files[0]!.commit();
    expect(readFileSync(target, "utf8")).toBe("text");
    expect(readdirSync(folder)).toEqual(["out"]);
    // Meanwhile it is there.
    files[1]!.makeFile();
    expect(() => files[1]!.commit()).toThrow(/out exists; --force overwrites it/);
    files[1]!.discard();
    expect(readdirSync(folder)).toEqual(["out"]);
  });

  it("does not write into what stands where it is made", () => {
    const file = new NewFile(target, false);
    symlinkSync(path.join(folder, "victim"), file.path);
    expect(() => file.makeFile()).toThrow(/EEXIST/);
    expect(existsSync(path.join(folder, "victim"))).toBe(false);
  });

  it("replaces a link, and not what it leads to", () => {
    writeFileSync(path.join(folder, "victim"), "kept");
    symlinkSync(path.join(folder, "victim"), target);
    expect(() => new NewFile(target, false)).toThrow(/exists/);
    const file = new NewFile(target, true);
    file.makeFile();
    file.commit();
    expect(lstatSync(target).isFile()).toBe(true);
    expect(readFileSync(path.join(folder, "victim"), "utf8")).toBe("kept");
  });

  it("sees a link that leads nowhere", () => {
    symlinkSync(path.join(folder, "nowhere"), target);
    expect(() => new NewFile(target, false)).toThrow(/exists/);
  });

  it("writes to what is no file, and leaves it what it is", () => {
    execFileSync("mkfifo", [target]);
    const file = new NewFile(target, false);
    expect(file.path).toBe(target);
    file.makeFile();
    file.commit();
    file.discard();
    expect(lstatSync(target).isFIFO()).toBe(true);
  });

  it("is written whole, or nothing is left of it", () => {
    new NewFile(path.join(folder, "text"), false).write("a text\n");
    expect(readFileSync(path.join(folder, "text"), "utf8")).toBe("a text\n");
    expect(() => new NewFile("/dev/full", false).write("a text\n")).toThrow(/^\/dev\/full: ENOSPC/);
    const late = new NewFile(path.join(folder, "late"), false);
    mkdirSync(path.join(folder, "late"));
    expect(() => late.write("a text\n")).toThrow(/late is a folder, not a file/);
    expect(readdirSync(folder).sort()).toEqual(["late", "text"]);
  });

  it("is no file where a folder is", () => {
    mkdirSync(target);
    expect(() => new NewFile(target, true).makeFile()).toThrow(/out is a folder, not a file/);
  });

  it("replaces a folder's files of ours, and keeps what else is in it", () => {
    mkdirSync(path.join(target, "notes"), { recursive: true });
    for (const name of ["part-0.parquet", "part-1.parquet", "mine.txt", "notes/a"]) {
      writeFileSync(path.join(target, name), `old ${name}`);
    }
    const file = new NewFile(target, true);
    file.makeFolder();
    writeFileSync(path.join(file.path, "part-0.parquet"), "new");
    file.commit();
    expect(readdirSync(target).sort()).toEqual(["mine.txt", "notes", "part-0.parquet"]);
    expect(readFileSync(path.join(target, "part-0.parquet"), "utf8")).toBe("new");
    expect(readFileSync(path.join(target, "notes/a"), "utf8")).toBe("old notes/a");
    expect(readdirSync(folder)).toEqual(["out"]);
  });
});
