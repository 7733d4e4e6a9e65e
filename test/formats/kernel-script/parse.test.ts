import { describe, expect, it } from "vitest";
import { parseKernelScript } from "../../../src/formats/kernel-script/parse.ts";
import { readCorpus } from "../../helpers/corpus.ts";

const HEADER = new TextDecoder().decode(readCorpus("vfio", "01-lifecycle.jsonl")).split("\n")[0]!;
const parse = (...lines: string[]) => parseKernelScript(lines.join("\n"), "f.jsonl");

describe("parseKernelScript", () => {
  it("reads header, arguments and outcome", () => {
    const script = parse(
      HEADER,
      '{"n":1,"op":"peek","args":{"vaddr":"0x10"},"ret":-1,"errno":"EIO","lck":64}',
      "",
    );
    expect(script.header).toMatchObject({
      pageSize: 65536,
      dma32WindowSize: 0x8000_0000n,
      pageSizes: 0x4021_1000n,
    });
    expect(script.lines).toEqual([
      { line: 2, n: 1, op: "peek", args: { vaddr: 0x10n }, expected: { ret: -1, errno: "EIO", lck: 64 } },
    ]);
  });

  it.each([
    { name: "broken JSON", line: '{"op":"nop",}', at: "2:13", message: /expected a string/ },
    { name: "a cut line", line: '{"op":"nop"', at: "2:12", message: /end of the line/ },
    { name: "no object", line: "[1]", at: "2:1", message: /object/ },
    { name: "an unknown operation", line: '{"op":"frob"}', at: "2:7", message: /unknown operation "frob"/ },
    { name: "an inherited name", line: '{"op":"toString"}', at: "2:7", message: /unknown operation/ },
    { name: "no operation", line: "{}", at: "2:1", message: /"op" is not a string/ },
    {
      name: "an unknown argument",
      line: '{"op":"peek","args":{"vaddr":"0x0","x":"0x1"}}',
      at: "2:21",
      message: /unknown member "x" of the arguments of peek: there are vaddr, child/,
    },
    {
      name: "a missing argument",
      line: '{"op":"peek"}',
      at: "2:1",
      message: /"peek" needs an argument "vaddr"/,
    },
    { name: "a number", line: '{"op":"peek","args":{"vaddr":16}}', at: "2:21", message: /"vaddr" is 16/ },
    {
      name: "65 bits",
      line: '{"op":"peek","args":{"vaddr":"0x10000000000000000"}}',
      at: "2:21",
      message: /0x1000/,
    },
    {
      name: "an unknown key",
      line: '{"op":"nop","foo":1}',
      at: "2:19",
      message: /unknown member "foo" of an operation: there are n, op, args, /,
    },
    { name: "a wrong number", line: '{"n":2,"op":"nop"}', at: "2:6", message: /this is operation 1/ },
    {
      name: "a misspelt argument",
      line: '{"op":"peek","args":{"vadr":"0x0"}}',
      at: "2:21",
      message: /unknown member "vadr" of the arguments of peek, did you mean "vaddr"\?/,
    },
    {
      name: "a repeated argument",
      line: '{"op":"peek","args":{"vaddr":"0x0","vaddr":"0x8"}}',
      at: "2:36",
      message: /member "vaddr" is repeated: column 22 has it already/,
    },
    {
      name: "a fraction",
      line: '{"op":"nop","ret":0.5}',
      at: "2:19",
      message: /"ret" is 0\.5, not a whole number/,
    },
    {
      name: "a number that is not exact",
      line: '{"op":"nop","ret":0,"lck":9007199254740993}',
      at: "2:27",
      message: /"lck" is 9007199254740992, not a whole number/,
    },
    { name: "a broken outcome", line: '{"op":"nop","ret":"0"}', at: "2:19", message: /"ret" is "0"/ },
    {
      name: "an outcome without ret",
      line: '{"op":"nop","lck":0}',
      at: "2:19",
      message: /"lck" without "ret"/,
    },
    { name: "a broken out", line: '{"op":"nop","ret":0,"out":{"val":1}}', at: "2:27", message: /"val" is 1/ },
  ])("refuses $name at $at", ({ line, at, message }) => {
    expect(() => parse(HEADER, line)).toThrow(new RegExp(`^f\\.jsonl:${at}: .*${message.source}`));
  });

  it.each([
    { name: "an empty file", header: "", message: /1:1: expected a header/ },
    { name: "no header", header: '{"op":"nop"}', message: /"header" is not an object/ },
    {
      name: "a misspelt member",
      header: HEADER.replace('"devices"', '"device"'),
      message:
        /1:11: unknown member "device" of the header, did you mean "devices"\? There are kernel, page_size, /,
    },
    {
      name: "a misspelt member of an object in it",
      header: HEADER.replace(/"levels":"0x5"/, '"level":"0x5"'),
      message: /unknown member "level" of get_info_v2, did you mean "levels"\?/,
    },
    {
      name: "a misspelt member of an arena",
      header: HEADER.replace('"present"', '"presnt"'),
      message: /unknown member "presnt" of an arena/,
    },
    { name: "a page size", header: HEADER.replace("65536", "8192"), message: /"page_size" is 8192/ },
    {
      name: "an arena",
      header: HEADER.replace('"shm"', '"shx"'),
      message: /unknown member "shx" of arenas, did you mean "shm"\? There are anon, shm, ro, huge/,
    },
    {
      name: "a huge arena",
      header: HEADER.replace('"size":"0x4000000"', '"size":"0x40000000000"'),
      message: /"anon" at 0x1000000000/,
    },
    { name: "an odd hole", header: HEADER.replace("0x1003000000", "0x1003000001"), message: /"hole" at/ },
    { name: "devices", header: HEADER.replace(/"devices":\[[^\]]*\]/, '"devices":7'), message: /"devices"/ },
  ])("refuses a header with $name", ({ header, message }) => {
    expect(() => parse(header)).toThrow(message);
  });

  it("reports a line and a column wherever a recording is cut or changed", () => {
    const line =
      '{"n":1,"op":"map","args":{"c":"0x0","vaddr":"0x0","iova":"0x0","size":"0x1"},"ret":0,"lck":0}';
    for (let cut = 1; cut < line.length; cut++) {
      expect(() => parse(HEADER, line.slice(0, cut)), line.slice(0, cut)).toThrow(/^f\.jsonl:2:\d+: /);
    }
  });
});
