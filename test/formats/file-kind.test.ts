import { describe, expect, it } from "vitest";
import { checkTrace } from "../../src/check/whole/check-trace.ts";
import { measureTrace } from "../../src/check/whole/measure-trace.ts";
import { fileKind } from "../../src/formats/file-kind.ts";

/** Bytes, each a character, at an offset in a file of so many. */
function fileOf(text: string, offset = 0, length = offset + text.length + 100): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < text.length; i++) bytes[offset + i] = text.charCodeAt(i);
  return bytes;
}

const elf = (type: number, isLittle: boolean): Uint8Array => {
  const bytes = fileOf("\x7fELF\x02");
  bytes[5] = isLittle ? 1 : 2;
  bytes[isLittle ? 16 : 17] = type;
  return bytes;
};

const FILES: readonly (readonly [file: Uint8Array, what: RegExp, advice: RegExp])[] = [
  [fileOf("BZh"), /bzip2/, /is unpacked here, unless/],
  [fileOf("LPKSHHRH"), /journal of systemd/, /journalctl --file/],
  [fileOf("PK\x03\x04"), /zip archive/, /unzip/],
  [fileOf("7z\xbc\xaf\x27\x1c"), /7z archive/, /7z x/],
  [fileOf("ustar\x0000", 257), /tar archive/, /tar xf/],
  [fileOf("\x04\x22\x4d\x18"), /lz4/, /lz4 -d/],
  [elf(4, true), /ELF core/, /virsh save/],
  [elf(4, false), /ELF core/, /virsh save/],
  [elf(3, true), /a program/, /name a recording/],
  [fileOf("KDUMP   "), /dump of a kernel's memory/, /crash/],
  [fileOf("\xd4\xc3\xb2\xa1"), /pcap/, /tcpdump -r/],
  [fileOf("\x0a\x0d\x0d\x0a"), /pcap/, /tcpdump -r/],
  [fileOf("KDMV"), /VMDK/, /virsh save/],
  [fileOf("# Disk DescriptorFile\nversion=1\n"), /VMDK/, /virsh save/],
  [fileOf("vhdxfile"), /VHDX/, /virsh save/],
  [fileOf("\x7f\x10\xda\xbe", 0x40), /VDI/, /virsh save/],
  [fileOf("CD001", 0x8001), /ISO 9660/, /virsh save/],
  [fileOf("\x55\xaa", 510), /image of a disk/, /virsh save/],
  [fileOf("SQLite format 3\0"), /SQLite/, /sqlite3/],
  [fileOf("PAR1"), /Parquet/, /duckdb/],
  [fileOf("\xc1\x1f\xfc\xc1"), /CTF/, /babeltrace2/],
  [fileOf("\x0a\x05\x08\x01\x10\x02\x18\x0a\x03\x08\x01\x10"), /Perfetto/, /traceconv/],
  [fileOf("\xff\xfed\0m\0a\0_\0"), /UTF-16/, /iconv/],
  [fileOf("<!DOCTYPE html>\n<html>\n"), /web page/, /raw/],
  [fileOf("\x89PNG\r\n"), /picture/, /text is needed/],
  [fileOf('[{"a":1}]\n', 0, 10), /JSON/, /jsonl/],
];

describe("a file that is none of ours", () => {
  it.each(FILES)("%#: is named, with what makes something readable of it", async (file, what, advice) => {
    for (const read of [checkTrace, measureTrace]) {
      const error = await read(file, { name: "x" }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "UNSUPPORTED" });
      expect(`${error}`).toMatch(what);
      expect(`${error}`).toMatch(advice);
    }
  });

  it.each([elf(4, true), fileOf("KDUMP   ")])("%#: memory with a log in it is no log", async (head) => {
    const log = "spapr_iommu_put liobn=0x80000000 ioba=0x1000 tce=0x2003 ret=0\n".repeat(2000);
    const core = new Uint8Array([...head, ...new Array<number>(100_000).fill(0), 0x0a, ...Buffer.from(log)]);
    await expect(checkTrace(core.subarray(-log.length), { name: "x" })).resolves.toMatchObject({
      events: 2000,
    });
    const error = await checkTrace(core, { name: "x" }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "UNSUPPORTED",
      message: expect.stringMatching(/no event .*(core|dump)/),
    });
  });

  it("is not taken for one of another kind by what a log begins with", () => {
    for (const text of ["[    1.234567] e1000", "[  OK  ] Reached", "\n\n# tracer: nop\n", "MAP 1", ""]) {
      expect(fileKind(fileOf(text, 0, text.length), true), text).toBeUndefined();
    }
  });
});
