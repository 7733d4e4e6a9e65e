import { describe, expect, it } from "vitest";
import { SavedRam } from "../../../src/formats/migration/ram-index.ts";
import { readMigration } from "../../../src/formats/migration/reader.ts";
import { be, CONFIGURATION, EOS, HEADER, named, page, part, section } from "./small-stream.ts";
import { fileOf } from "./sources.ts";

const BLOCK = named("main");

const ram = (parts: number[][], capabilities: string[] = [], extra: number[] = []): Uint8Array =>
  Uint8Array.from([
    ...HEADER,
    ...[...CONFIGURATION, 5, ...named("configuration/capabilities"), ...be(4, 1)],
    ...[...be(4, capabilities.length), ...capabilities.flatMap(named)],
    ...section(1, 2, "ram", 0, 4, [
      ...be(8, 0x5000 | 4),
      ...[...BLOCK, ...be(8, 0x4000), ...extra],
      ...[...named("rom"), ...be(8, 0x1000), ...extra],
      ...EOS,
    ]),
    ...parts.flatMap((data) => part(2, 2, [...data, ...EOS])),
    0,
  ]);

async function savedRam(bytes: Uint8Array): Promise<SavedRam> {
  const stream = await readMigration(fileOf(bytes), { indexRam: true });
  return new SavedRam(stream.ramBlocks, stream.ram!, fileOf(bytes));
}

describe("guest RAM in a stream", () => {
  // Page 0 filled, page 1 data sent twice, page 2 never, page 3 filled after data, in the block named in the part before.
  const bytes = ram([
    [...be(8, 0x02), ...BLOCK, 0x11, ...page(0x1000, 0x22)],
    [...page(0x3000, 0x33), ...page(0x1000, 0x44)],
    [...be(8, 0x3022), 0x55, ...be(8, 0x08), ...named("rom"), ...new Array<number>(4096).fill(0x66)],
  ]);

  it.each([
    { name: "a filled page", block: "main", offset: 0, length: 3, bytes: [0x11, 0x11, 0x11] },
    { name: "across pages", block: "main", offset: 0xffe, length: 4, bytes: [0x11, 0x11, 0x44, 0x44] },
    { name: "into a page that was never sent", block: "main", offset: 0x1fff, length: 2, bytes: [0x44, 0] },
    { name: "the last byte", block: "main", offset: 0x3fff, length: 1, bytes: [0x55] },
    { name: "another block", block: "rom", offset: 0xfff, length: 1, bytes: [0x66] },
    { name: "nothing", block: "rom", offset: 0x1000, length: 0, bytes: [] },
  ])("is read as it was sent last: $name", async ({ block, offset, length, bytes: expected }) => {
    expect([...(await (await savedRam(bytes)).read(block, offset, length))]).toEqual(expected);
  });

  it.each([
    { block: "main", offset: 0x3fff, length: 2 },
    { block: "main", offset: -1, length: 1 },
    { block: "other", offset: 0, length: 1 },
  ])("is not read outside of its blocks: %o", async ({ block, offset, length }) => {
    await expect((await savedRam(bytes)).read(block, offset, length)).rejects.toMatchObject({
      code: "OUT_OF_RANGE",
    });
  });

  it("is only indexed when asked for, and as far as allowed", async () => {
    expect((await readMigration(fileOf(bytes))).ram).toBeNull();
    const options = { indexRam: true, ramPageLimit: 512 };
    await expect(readMigration(fileOf(bytes), options)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });

  it("has guest addresses in its list of blocks with x-ignore-shared", async () => {
    const shared = ram([], ["x-ignore-shared"], be(8, 0x1234_5000));
    expect((await readMigration(fileOf(shared))).ramBlocks).toEqual([
      { name: "main", size: 0x4000 },
      { name: "rom", size: 0x1000 },
    ]);
  });
});
