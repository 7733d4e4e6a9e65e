import { describe, expect, it } from "vitest";
import { blankRam } from "../../../src/formats/migration/blank-ram.ts";
import { SavedRam } from "../../../src/formats/migration/ram-index.ts";
import { readMigration } from "../../../src/formats/migration/reader.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { be, CONFIGURATION, EOS, HEADER, named, page, part, RAM_BLOCK, section } from "./small-stream.ts";
import { anySize, chunksOf, fileOf, joined, recordedStream } from "./sources.ts";

describe("a stream whose guest's memory is made zero", () => {
  it("differs in the bytes of pages only, also of those that were sent twice", async () => {
    const start = [...be(8, 0x4000 | 0x04), ...named(RAM_BLOCK), ...be(8, 0x4000), ...EOS];
    /** Two sections of pages: data in a block that is named, data twice, a page of 5a and one of zeros. */
    const stream = (data: number, fill: number): Uint8Array =>
      Uint8Array.from([
        ...[...HEADER, ...CONFIGURATION],
        ...section(1, 2, "ram", 0, 4, start),
        ...part(2, 2, [...be(8, 0x08), ...named(RAM_BLOCK), ...new Array<number>(4096).fill(data), ...EOS]),
        ...part(2, 2, [...page(0x1000, data), ...page(0x1000, data), ...be(8, 0x2000 | 0x22), fill, ...EOS]),
        ...part(3, 2, [...be(8, 0x3000 | 0x22), 0, ...EOS]),
        ...section(4, 9, "timer", 0, 1, [data, fill]),
        0,
      ]);
    const expected = stream(0, 0);
    // The device keeps what it has.
    expected.set([0x77, 0x5a], expected.length - 8);
    const random = new Random(runSeed());
    const source = stream(0x77, 0x5a);
    for (const read of [fileOf(source), () => chunksOf(source, anySize(random))]) {
      const { pages, chunks } = await blankRam(read);
      expect(pages).toBe(4);
      expect(Buffer.compare(await joined(chunks), expected), `seed ${random.seed}`).toBe(0);
    }
  });

  it("has the devices and windows of the recorded machine", async () => {
    const bytes = recordedStream("hash-table-power8-firmware");
    const before = await readMigration(fileOf(bytes));
    const blank = await joined((await blankRam(fileOf(bytes))).chunks);
    const after = await readMigration(fileOf(blank), { indexRam: true });
    expect(after.sections).toEqual(before.sections);
    const ram = new SavedRam(after.ramBlocks, after.ram!, fileOf(blank));
    const zeros = new Uint8Array(0x10_0000);
    for (let at = 0; at < 0x1000_0000; at += zeros.length) {
      expect(Buffer.compare(await ram.read(RAM_BLOCK, at, zeros.length), zeros)).toBe(0);
    }
    for (const { name, dataOffset, dataLength, kind } of before.sections) {
      if (kind === "live") continue;
      const end = dataOffset + dataLength;
      expect(Buffer.compare(blank.subarray(dataOffset, end), bytes.subarray(dataOffset, end)), name).toBe(0);
    }
  });
});
