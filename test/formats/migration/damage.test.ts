import { describe, expect, it } from "vitest";
import { readMigration } from "../../../src/formats/migration/reader.ts";
import { isOnce } from "../../../src/formats/migration/source.ts";
import { runSeed } from "../../helpers/random.ts";
import { cutSmallMachine, tablesOf } from "./cut-campaign.ts";
import { damageStream, errorOf } from "./damage-campaign.ts";
import {
  ascii,
  be,
  CONFIGURATION,
  command,
  described,
  device,
  EOS,
  footer,
  HEADER,
  named,
  part,
  RAM_BLOCK,
  section,
  tceData,
} from "./small-stream.ts";
import { chunksOf, fileOf } from "./sources.ts";

describe("a small machine", () => {
  cutSmallMachine(7);

  it(`ends with a stream or with offset and reason after any damage, and takes no memory, SEED=${runSeed()}`, () =>
    damageStream(runSeed(), 200));
});

describe("device data that looks like the end of its section", () => {
  const trap = [...footer(9), 4, 0, 0];
  const bytes = Uint8Array.from([
    ...HEADER,
    ...CONFIGURATION,
    ...section(4, 9, "timer", 0, 1, trap),
    ...described([device("timer", 0, trap.length)]),
  ]);

  it("does not matter where the description can be read first", async () => {
    for (const source of [fileOf(bytes), () => chunksOf(bytes, () => 3)]) {
      expect((await readMigration(source)).sections[0]).toMatchObject({ name: "timer", dataLength: 8 });
    }
  });

  it("is found out in a pipe", async () => {
    expect((await readMigration(chunksOf(bytes, () => 3))).sections).toMatchObject([{ dataLength: 8 }]);
    // A false end of all sections, with a false description behind it.
    const other = Uint8Array.from([
      ...[...HEADER, ...CONFIGURATION],
      ...section(4, 9, "timer", 0, 1, [1, ...footer(9), ...described([device("timer", 0, 1)])]),
      ...described([device("timer", 0, 1 + 5 + described([device("timer", 0, 1)]).length)]),
    ]);
    expect((await readMigration(fileOf(other))).remarks).toEqual([]);
    expect((await readMigration(chunksOf(other, () => 3))).remarks).toMatchObject([
      {
        message: expect.stringMatching(
          /^the ends of sections were searched for, .*: bytes after the description: 7e 00/,
        ),
      },
    ]);
  });
});

describe("the clock of a machine", () => {
  // Section 0, whose offset of ticks ends in 7e once in 256 saves, with zeros behind it.
  const clock = [...be(8, 0x1_900f_727en), ...be(8, 0), ...be(8, 0xbede_b143)];
  const bytes = Uint8Array.from([
    ...HEADER,
    ...CONFIGURATION,
    ...section(4, 0, "timer", 0, 2, clock),
    ...section(4, 1, "spapr_iommu", 0x8000_0000, 3, tceData(0x8000_0000, [1n], true, null)),
    ...described([device("timer", 0, 24), device("spapr_iommu", 0x8000_0000, 18)]),
  ]);

  it("is not taken for the end of all sections, wherever a chunk ends", async () => {
    expect(await tablesOf(fileOf(bytes))).toEqual([[0x8000_0000, [[0, 1n]]]]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      let size = cut;
      const sizes = (): number => {
        const now = size;
        size = bytes.length;
        return now;
      };
      expect(await tablesOf(chunksOf(bytes, sizes)), `cut at ${cut}`).toEqual([[0x8000_0000, [[0, 1n]]]]);
    }
    expect(await tablesOf(chunksOf(bytes, () => 1))).toEqual([[0x8000_0000, [[0, 1n]]]]);
  });

  it("ends a stream if nothing else does", async () => {
    const timer = section(4, 0, "timer", 0, 2, [1, 2]);
    const last = Uint8Array.from([...HEADER, ...CONFIGURATION, ...timer, 0, 0, 0, 0, 0]);
    for (const source of [fileOf(last), chunksOf(last, () => 1), chunksOf(last, () => 100)]) {
      const { sections, length } = await readMigration(source);
      expect(sections).toMatchObject([{ name: "timer", dataLength: 2 }]);
      expect(length).toBe(last.length - 4);
    }
  });
});

const ramStart = (blocks: [string, number][], total: number): number[] =>
  section(1, 2, "ram", 0, 4, [
    ...be(8, total | 4),
    ...blocks.flatMap(([name, size]) => [...named(name), ...be(8, size)]),
    ...EOS,
  ]);

const machine = (...records: number[][]): Uint8Array =>
  Uint8Array.from([...HEADER, ...CONFIGURATION, ...records.flat(), 0]);

const RAM = ramStart([[RAM_BLOCK, 0x4000]], 0x4000);
const DEVICE = section(4, 9, "timer", 0, 1, [1, 2, 3]);

describe("a stream", () => {
  it.each([
    { name: "of another kind", bytes: Uint8Array.from(ascii("ELF and more")), code: "BAD_FILE" },
    { name: "of format 2", bytes: Uint8Array.from([...ascii("QEVM"), ...be(4, 2), 0]), code: "UNSUPPORTED" },
    {
      name: "with a machine name of 4 GiB",
      bytes: Uint8Array.from([...HEADER, 7, ...be(4, 0xffff_ffff)]),
      code: "BAD_FILE",
    },
    {
      name: "with a name that cannot be printed",
      bytes: machine(section(4, 1, "a\n", 0, 1, [])),
      code: "BAD_FILE",
    },
    {
      name: "with an unknown part of the configuration",
      bytes: machine([5, ...named("x"), ...be(4, 1)]),
      code: "UNSUPPORTED",
    },
    {
      name: "with a billion capabilities",
      bytes: machine([5, ...named("configuration/capabilities"), ...be(4, 1), ...be(4, 1e9)]),
      code: "BAD_FILE",
    },
    {
      name: "with pages of 64K",
      bytes: machine([5, ...named("configuration/target-page-bits"), ...be(4, 1), ...be(4, 16)]),
      code: "BAD_FILE",
    },
    { name: "with an unknown record", bytes: machine([9]), code: "BAD_FILE" },
    {
      name: "with an unknown live section",
      bytes: machine(section(1, 1, "block", 0, 1, [])),
      code: "UNSUPPORTED",
    },
    { name: "with a part of nothing", bytes: machine(part(2, 7, [])), code: "BAD_FILE" },
    { name: "with a live section twice", bytes: machine(RAM, RAM), code: "BAD_FILE" },
    { name: "with RAM of version 3", bytes: machine(section(1, 2, "ram", 0, 3, EOS)), code: "UNSUPPORTED" },
    { name: "with a footer of another section", bytes: machine([...RAM.slice(0, -1), 9]), code: "BAD_FILE" },
    { name: "with a package beyond its end", bytes: machine(command(7, be(4, 100))), code: "BAD_FILE" },
    {
      name: "with a package that ends within a section",
      bytes: machine(command(7, be(4, DEVICE.length - 1)), DEVICE),
      code: "BAD_FILE",
    },
    { name: "with a package of no length", bytes: machine(command(7, [0])), code: "BAD_FILE" },
    {
      name: "with flags of bitmaps that nobody knows",
      bytes: machine(section(1, 1, "dirty-bitmap", 0, 1, [0xff, 0xff, 0xff, 0xff])),
      code: "BAD_FILE",
    },
    {
      name: "with a bitmap of 2^64 bytes",
      bytes: machine(
        section(1, 1, "dirty-bitmap", 0, 1, [0x40, ...be(8, 0), ...be(4, 1), ...be(8, 2n ** 64n - 1n)]),
      ),
      code: "BAD_FILE",
    },
    ...(
      [
        ["before the place that it is told at", 4096, 0x10, 0x1000],
        ["behind its pages", 4096, 0x2000, 0x1000],
        ["beyond all measure", 4096, 0x1000, 2n ** 64n - 1n],
        ["of another page size", 65536, 0x1000, 0x2000],
      ] as const
    ).map(([what, pageSize, bitmap, pages]) => ({
      name: `with a mapped RAM block ${what}`,
      bytes: Uint8Array.from([
        ...HEADER,
        ...CONFIGURATION,
        ...[5, ...named("configuration/capabilities"), ...be(4, 1), ...be(4, 1), ...named("mapped-ram")],
        ...section(1, 2, "ram", 0, 4, [
          ...be(8, 0x1004),
          ...named("a"),
          ...be(8, 0x1000),
          ...be(4, 1),
          ...be(8, pageSize),
          ...be(8, bitmap),
          ...be(8, pages),
        ]),
      ]),
      code: "BAD_FILE",
    })),
    {
      name: "with RAM blocks larger than their sum",
      bytes: machine(ramStart([["a", 0x2000]], 0x1000)),
      code: "BAD_FILE",
    },
    { name: "with half a page of RAM", bytes: machine(ramStart([["a", 0x800]], 0x1000)), code: "BAD_FILE" },
    {
      name: "with a RAM block twice",
      bytes: machine(
        ramStart(
          [
            ["a", 0x1000],
            ["a", 0x1000],
          ],
          0x2000,
        ),
      ),
      code: "BAD_FILE",
    },
    {
      name: "with empty RAM blocks without end",
      bytes: machine(
        ramStart(
          Array.from({ length: 5000 }, (_, i) => [`b${i}`, 0]),
          0x1000,
        ),
      ),
      code: "BAD_FILE",
    },
    {
      name: "with a page outside of its block",
      bytes: machine(RAM, part(2, 2, [...be(8, 0x4002), ...named(RAM_BLOCK), 0, ...EOS])),
      code: "BAD_FILE",
    },
    {
      name: "with a page of an unknown block",
      bytes: machine(RAM, part(2, 2, [...be(8, 2), ...named("b"), 0, ...EOS])),
      code: "BAD_FILE",
    },
    {
      name: "with a page that continues nothing",
      bytes: machine(RAM, part(2, 2, [...be(8, 0x22), 0, ...EOS])),
      code: "BAD_FILE",
    },
    {
      name: "with a page of no kind",
      bytes: machine(RAM, part(2, 2, [...be(8, 0x800), ...EOS])),
      code: "BAD_FILE",
    },
    {
      name: "with XBZRLE pages",
      bytes: machine(RAM, part(2, 2, [...be(8, 0x40), ...EOS])),
      code: "UNSUPPORTED",
    },
    {
      name: "with a compressed page that is longer than a page",
      bytes: machine(RAM, part(2, 2, [...be(8, 0x100), ...named(RAM_BLOCK), ...be(4, 1e9), ...EOS])),
      code: "BAD_FILE",
    },
    { name: "with multifd", bytes: machine(RAM, part(2, 2, [...be(8, 0x200), ...EOS])), code: "UNSUPPORTED" },
    {
      name: "with a bad part of the hash table",
      bytes: machine(section(1, 3, "spapr/htab", 0, 1, be(4, 24)), part(2, 3, be(4, 1))),
      code: "BAD_FILE",
    },
  ])("$name is refused", async ({ bytes, code }) => {
    for (const source of [fileOf(bytes), () => chunksOf(bytes, () => 5), chunksOf(bytes, () => 1000)]) {
      const error = await errorOf(source);
      expect(error).toMatchObject({ code });
      expect(error!.message).toMatch(/byte \d+/);
    }
  });

  // QEMU does not read the description, and loads all of these.
  const ends: { name: string; end: number[]; remark: RegExp | undefined }[] = [
    { name: "zeros", end: [0, 0, 0, 0], remark: undefined },
    { name: "another byte", end: [7], remark: /bytes after the end of the sections .*: 07$/ },
    {
      name: "other bytes",
      end: [0x7e, ...be(8, 5), ...ascii("and more of it")],
      remark: /bytes after the end of the sections .*: 7e 00 00 00 00 00 00 00 05 61 6e 64 20 6d 6f 72$/,
    },
    {
      name: "a description of 4 GiB",
      end: [6, ...be(4, 0xffff_ffff)],
      remark: /a description of 4294967295 bytes|: 06 ff ff ff ff$/,
    },
    { name: "a description that is no JSON", end: [6, ...be(4, 2), ...ascii("{]")], remark: /is not JSON/ },
    {
      name: "half a description",
      end: [6, ...be(4, 20), ...ascii("{")],
      remark: /ends within the description/,
    },
  ];
  it.each(ends)("is read where $name is at its end", async ({ end, remark }) => {
    const bytes = Uint8Array.from([...machine(DEVICE), ...end]);
    for (const source of [fileOf(bytes), () => chunksOf(bytes, () => 5), chunksOf(bytes, () => 1000)]) {
      const { sections, remarks, description, length } = await readMigration(source);
      expect(sections).toMatchObject([{ name: "timer", dataLength: 3 }]);
      expect(remarks.map(({ message }) => message)).toEqual(
        remark === undefined ? [] : [expect.stringMatching(remark)],
      );
      expect([description, length]).toEqual([null, bytes.length - end.length]);
    }
  });

  it("ends with its description, whatever follows it", async () => {
    const whole = [...machine(DEVICE).slice(0, -1), ...described([device("timer", 0, 3)])];
    for (const more of [[0], [6, 0, 0], be(8, 2n ** 64n - 1n), whole]) {
      const bytes = Uint8Array.from([...whole, ...more]);
      for (const source of [fileOf(bytes), () => chunksOf(bytes, () => 5), chunksOf(bytes, () => 1000)]) {
        const { remarks, description, length } = await readMigration(source);
        expect([description?.sections.length, length]).toEqual([1, whole.length]);
        // In a pipe nobody knows whether this is the end.
        const isSure = isOnce(source) === false || more.every((byte) => byte === 0);
        expect(remarks, `${more} ${typeof source}`).toHaveLength(isSure ? 0 : 1);
      }
    }
  });

  const withDescription = (text: string): Uint8Array =>
    Uint8Array.from([...machine(DEVICE), 6, ...be(4, text.length), ...ascii(text)]);
  const deep = `${'{"vmsd_name": "a", "subsections": ['.repeat(100)}${"]}".repeat(100)}`;

  it.each([
    { name: "has another device", text: '{"devices": [{"name": "clock", "instance_id": 0}]}' },
    {
      name: "has another length",
      text: '{"devices": [{"name": "timer", "instance_id": 0, "fields": [{"size": 4}]}]}',
    },
    {
      name: "has one more device",
      text: '{"devices": [{"name": "timer", "instance_id": 0, "fields": [{"size": 3}]}, {"name": "b", "instance_id": 0}]}',
    },
    { name: "has no device", text: '{"devices": []}' },
    { name: "has no list of devices", text: '{"devices": {}}' },
    { name: "is a list", text: '{"devices": [[]]}' },
    { name: "has devices without a name", text: '{"devices": [{"instance_id": 0}]}' },
    {
      name: "has a negative size",
      text: '{"devices": [{"name": "timer", "instance_id": 0, "fields": [{"size": -3}]}]}',
    },
    {
      name: "has a size beyond measure",
      text: '{"devices": [{"name": "timer", "instance_id": 0, "fields": [{"size": 9e15, "array_len": 9e15}]}]}',
    },
    {
      name: "has other pages",
      text: '{"page_size": 65536, "devices": [{"name": "timer", "instance_id": 0, "fields": [{"size": 3}]}]}',
    },
    {
      name: "is nested without end",
      text: `{"devices": [{"name": "timer", "instance_id": 0, "subsections": [${deep}]}]}`,
    },
  ])("whose description $name is read without it", async ({ text }) => {
    const bytes = withDescription(text);
    for (const source of [fileOf(bytes), () => chunksOf(bytes, () => 5)]) {
      const { sections, remarks, description, length } = await readMigration(source);
      expect(sections).toMatchObject([{ name: "timer", dataLength: 3 }]);
      expect(remarks).toHaveLength(1);
      expect(remarks[0]!.message).toMatch(
        /^the description at its end is damaged, which QEMU does not read: /,
      );
      expect([description, length]).toEqual([null, machine(DEVICE).length]);
    }
  });

  it("whose description has other sections is refused in a pipe, where the ends of sections are searched for", async () => {
    const wrong = withDescription(
      '{"devices": [{"name": "timer", "instance_id": 0, "fields": [{"size": 4}]}]}',
    );
    const error = await errorOf(chunksOf(wrong, () => 1000));
    expect(error?.message).toMatch(/has 3 bytes of data, described are 4; its end was searched for/);
  });

  it("with a right description is read", async () => {
    const right = withDescription(
      '{"devices": [{"name": "timer", "instance_id": 0, "fields": [{"size": 3}]}]}',
    );
    expect(await errorOf(fileOf(right))).toBeUndefined();
  });
});
