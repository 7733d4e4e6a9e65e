import { readFileSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { SeekableFile } from "../../src/cli/seekable-file.ts";
import { rangeOf } from "../../src/cli/serve/byte-range.ts";
import { readText } from "../../src/formats/input/read-text.ts";
import { hasProgram } from "../helpers/programs.ts";
import { scratchFolder } from "../helpers/scratch.ts";

const folder = scratchFolder();
const PACKED = path.resolve(import.meta.dirname, "../corpus/packed");
const TEXT = Buffer.from("12@3.4:spapr_iommu_pci_put liobn=0x80000000\n".repeat(500));

const contentOf = async (file: SeekableFile): Promise<Buffer> =>
  await buffer(file.stream({ first: 0, last: (await file.size()) - 1 }));

describe("a file that is read anywhere", () => {
  it("is given as it is if a page can unpack it, too", async () => {
    const name = path.join(folder, "a.log.gz");
    writeFileSync(name, gzipSync(TEXT));
    const file = await SeekableFile.open(name, folder);
    expect(file.name).toBe(name);
    expect(await contentOf(file)).toEqual(readFileSync(name));
    await file.close();
  });

  it.each([
    ["xz", "xz"],
    ["bzip2", "bz2"],
    ["lzop", "lzo"],
  ])("is unpacked before if that takes a program, or that is named: %s", async (program, ending) => {
    const name = path.join(PACKED, `lines.txt.${ending}`);
    const opening = SeekableFile.open(name, folder);
    if (!hasProgram(program)) {
      await expect(opening).rejects.toThrow(`to unpack it the program ${program} is needed`);
      return;
    }
    const file = await opening;
    expect(file.name).toBe(path.join(PACKED, "lines.txt"));
    expect((await contentOf(file)).toString()).toBe(
      await readText(readFileSync(path.join(PACKED, "lines.txt.zst")), "lines"),
    );
    await file.close();
  });

  it("stays that file, whatever its name comes to mean", async () => {
    const name = path.join(folder, "c.log");
    writeFileSync(name, TEXT);
    const file = await SeekableFile.open(name, folder);
    renameSync(name, `${name}.0`);
    writeFileSync(name, "another one");
    expect(await contentOf(file)).toEqual(TEXT);
    await file.close();
  });

  it("is cut while it is read: that is an error, as fewer bytes would pass for what was asked for", async () => {
    const name = path.join(folder, "d.log");
    writeFileSync(name, TEXT);
    const file = await SeekableFile.open(name, folder);
    const whole = { first: 0, last: TEXT.length - 1 };
    truncateSync(name, 1000);
    await expect(buffer(file.stream(whole))).rejects.toThrow(/d\.log: was cut at byte 1000 /);
    await file.close();
  });

  it("is not there, or damaged: that is said", async () => {
    await expect(SeekableFile.open(path.join(folder, "none.log"), folder)).rejects.toThrow(/no such file/);
    await expect(SeekableFile.open(folder, folder)).rejects.toThrow(/is a folder/);
    const name = path.join(folder, "cut.log.xz");
    writeFileSync(name, readFileSync(path.join(PACKED, "lines.txt.xz")).subarray(0, 500));
    await expect(SeekableFile.open(name, folder)).rejects.toThrow(/cut\.log\.xz/);
  });
});

describe("a stretch of bytes", () => {
  it.each([
    [undefined, 0, 99],
    ["bytes=0-", 0, 99],
    ["bytes=0-0", 0, 0],
    ["bytes=50-59", 50, 59],
    ["bytes=50-1000", 50, 99],
    ["bytes=-10", 90, 99],
    ["bytes=-1000", 0, 99],
  ])("%s of 100 is %i to %i", (header, first, last) => {
    expect(rangeOf(header, 100)).toEqual({ first, last });
  });

  it.each([
    "bytes=100-",
    "bytes=5-4",
    "bytes=-",
    "bytes=-0",
    "bytes=a-b",
    "bytes=0-1,2-3",
    "items=0-1",
    "",
    "bytes=0-1x",
  ])("%s is none", (header) => {
    expect(rangeOf(header, 100)).toBeUndefined();
  });
});
