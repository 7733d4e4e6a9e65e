import { describe, expect, it } from "vitest";
import { IommuError } from "../../../src/base/errors.ts";
import { MAX_LINE_LENGTH, MAX_LINES_BYTES } from "../../../src/formats/json-lines.ts";
import { HEADER_MEMBERS } from "../../../src/formats/op-script/header.ts";
import type { Operation } from "../../../src/formats/op-script/operation.ts";
import { OPERATION_MEMBERS } from "../../../src/formats/op-script/parse-operation.ts";
import { parseOpScript } from "../../../src/formats/op-script/script.ts";
import { runOpScript } from "../../../src/script/op/run.ts";
import { some } from "../../helpers/some.ts";

const HEADER = '{"header":1}';
/** A script whose second line is `line`. */
const second = (line: string): string => `${HEADER}\n${line}\n`;
const nested = (levels: number): string => `${"[".repeat(levels)}${"]".repeat(levels)}`;
const PUT = '"op":"h_put_tce","liobn":"0x80000000","ioba":"0x0"';

describe("a broken script", () => {
  it.each([
    // No JSON, or not the JSON of a script.
    ["nothing", "", "s:1:1: the script is empty"],
    ["blank lines", "\n \n", "s:1:1: the script is empty"],
    ["no JSON", "hello", 's:1:1: expected a value, found "h"'],
    ["a byte order mark", `\ufeff${HEADER}`, 's:1:1: expected a value, found "\ufeff"'],
    ["an open object", '{"header":1', 's:1:12: expected "," or "}", found the end of the line'],
    ["an open string", second('{"op":"note'), 's:2:7: expected a string, found "\\""'],
    ["a raw control character", second('{"op":"a\tb"}'), 's:2:7: expected a string, found "\\""'],
    ["a bad number", second('{"op":01}'), 's:2:8: expected "," or "}", found "1"'],
    ["no colon", second('{"op" 1}'), 's:2:7: expected ":", found "1"'],
    ["a comma too many", second('{"op":1,}'), 's:2:9: expected a string, found "}"'],
    ["an open list", second('{"list":[1,2}'), 's:2:13: expected "," or "]", found "}"'],
    ["something behind", second('{"op":1} x'), 's:2:10: expected the end of the line, found "x"'],
    ["a list", second(" [1]"), "s:2:2: expected an object, found [1]"],
    ["null", second("null"), "s:2:1: expected an object, found null"],
    ["too deep", second(`{"op":"note","x":${nested(65)}}`), 's:2:82: expected at most 64 levels, found "["'],
    [
      "far too deep",
      second(`{"op":"note","x":${nested(100_000)}}`),
      's:2:82: expected at most 64 levels, found "["',
    ],
    [
      "a line too long",
      second(`{"op":"${"x".repeat(MAX_LINE_LENGTH)}"}`),
      `s:2:1: line of ${MAX_LINE_LENGTH + 9} characters: the limit is ${MAX_LINE_LENGTH}`,
    ],
    // The header.
    ["no header", '{"op":"note","text":"x"}', 's:1:1: the first line must be a header: {"header":1,...}'],
    ["another header", '{"header":2}', 's:1:11: the first line must be a header: {"header":1,...}'],
    [
      "an unknown field",
      '{"header":1,"ramsize":1}',
      's:1:23: unknown member "ramsize" of the header, did you mean "ramSize"? There are header, qemu, profile, ',
    ],
    [
      "odd memory",
      '{"header":1,"ramSize":"0x1000"}',
      's:1:23: "ramSize" is 0x1000: memory comes in blocks of 256 MiB',
    ],
    ["no memory", '{"header":1,"ramSize":0}', 's:1:23: "ramSize" is 0x0: memory comes in blocks of 256 MiB'],
    [
      "too much memory",
      '{"header":1,"ramSize":"0x8000000000000000"}',
      "s:1:11: memory of 9223372036854775808 bytes: must be 1 to 4503599627370496",
    ],
    [
      "bridges that are no list",
      '{"header":1,"phbs":{}}',
      's:1:20: "phbs" is {}: expected a list of at most 31',
    ],
    ["a bridge that is no object", '{"header":1,"phbs":[1]}', "s:1:20: a host bridge must be an object"],
    ["a bridge without index", '{"header":1,"phbs":[{}]}', 's:1:20: a host bridge must have an "index"'],
    [
      "an unknown field of a bridge",
      '{"header":1,"phbs":[{"index":0,"pgsize":1}]}',
      's:1:20: unknown member "pgsize" of a host bridge, did you mean "pgsz"? There are index, buid, ',
    ],
    [
      "a bridge index too large",
      '{"header":1,"phbs":[{"index":31}]}',
      's:1:20: "index" is 31: expected a whole number from 0 to 30',
    ],
    [
      "no bridge 0 first",
      '{"header":1,"phbs":[{"index":1}]}',
      "s:1:20: the first host bridge always has index 0",
    ],
    [
      "a bridge twice",
      '{"header":1,"phbs":[{"index":0},{"index":0}]}',
      "s:1:20: two host bridges have the same index",
    ],
    [
      "a ddw that is no truth value",
      '{"header":1,"phbs":[{"index":0,"ddw":1}]}',
      's:1:20: "ddw" is 1: expected true or false',
    ],
    [
      "a wrong BUID",
      '{"header":1,"phbs":[{"index":0,"buid":"0x1"}]}',
      's:1:20: "buid" of bridge 0 is "0x1": it is always 0x800000020000000',
    ],
    [
      "wrong LIOBNs",
      '{"header":1,"phbs":[{"index":0,"liobns":[1]}]}',
      's:1:20: "liobns" of bridge 0 are [1]: they are always ["0x80000000","0x80000001"]',
    ],
    [
      "a VIO device that is no string",
      '{"header":1,"vio":[7]}',
      's:1:19: VIO device 7: expected a string such as "spapr-vlan,reg=0x71000003"',
    ],
    [
      "an unknown VIO device",
      '{"header":1,"vio":["spapr-x"]}',
      's:1:11: VIO device "spapr-x": must be one of spapr-vlan, spapr-vscsi, tpm-spapr, spapr-vty, spapr-nvram',
    ],
    [
      "a unit address twice",
      '{"header":1,"vio":["spapr-vty,reg=0x7","spapr-vlan,reg=0x7"]}',
      "s:1:11: VIO unit address 0x7 is in use",
    ],
    [
      "a unit address of a bridge",
      '{"header":1,"vio":["spapr-vlan,reg=0x80000000"]}',
      "s:1:11: VIO unit address 2147483648 is not 0 to 0x7fffffff",
    ],
    [
      "a profile that there is not",
      '{"header":1,"profile":"qemu-0.9"}',
      's:1:23: profile "qemu-0.9": must be one of qemu-7.2, ',
    ],
    ["a QEMU that is no text", '{"header":1,"qemu":7.2}', 's:1:20: "qemu" is 7.2: expected a string'],
    [
      "devices that are no object",
      '{"header":1,"vfioUser":[]}',
      's:1:24: "vfioUser" is []: expected an object',
    ],
    [
      "an unknown member of vfioUser",
      '{"header":1,"vfioUser":{"slots":3}}',
      's:1:24: unknown member "slots" of vfioUser, did you mean "slot"? There are driver, slot, memory, capabilities',
    ],
    [
      "a member of a bridge twice",
      '{"header":1,"phbs":[{"index":0,"pgsz":"0x1000","pgsz":"0x10000"}]}',
      's:1:48: member "pgsz" is repeated: column 32 has it already',
    ],
    // Operations.
    ["no operation", second("{}"), 's:2:1: "op" is nothing: expected a string'],
    [
      "an unknown operation",
      second('{"op":"h_put_tcx"}'),
      's:2:7: unknown operation "h_put_tcx", did you mean "h_put_tce"?',
    ],
    ["an operation of all objects", second('{"op":"toString"}'), 's:2:7: unknown operation "toString"'],
    [
      "a missing field",
      second(`{${PUT}}`),
      's:2:1: "tce" is nothing: expected a 64-bit value such as "0x80000000"',
    ],
    [
      "a value above 64 bits",
      second(`{${PUT},"tce":"0x10000000000000000"}`),
      's:2:59: "tce" is "0x10000000000000000": expected a 64-bit',
    ],
    ["a negative value", second(`{${PUT},"tce": -1}`), 's:2:60: "tce" is -1: expected a 64-bit value'],
    ["a fraction", second(`{${PUT},"tce":1.5}`), 's:2:59: "tce" is 1.5: expected a 64-bit value'],
    [
      "a number that is not exact",
      second(`{${PUT},"tce":9007199254740992}`),
      's:2:59: "tce" is 9007199254740992: expected a 64-bit value',
    ],
    [
      "a fraction that JSON rounds away",
      second(`{${PUT},"tce":3.0000000000000000001}`),
      "s:2:59: 3.0000000000000000001 is not the whole number that it is read as",
    ],
    [
      "a fraction that JSON rounds to nothing",
      second(`{${PUT},"tce":1e-400}`),
      "s:2:59: 1e-400 is not the whole number that it is read as",
    ],
    [
      "a fraction beside 2^53",
      second(`{${PUT},"tce":9007199254740991.2}`),
      "s:2:59: 9007199254740991.2 is not the whole number that it is read as",
    ],
    [
      "a misspelt member",
      second('{"op":"h_put_tce_indirect","liobn":0,"ioba":0,"listaddr":"0x300000","npages":1}'),
      's:2:58: unknown member "listaddr" of h_put_tce_indirect, did you mean "listAddr"? There are liobn, ioba, listAddr, list, npages, op, result, crash',
    ],
    [
      "a member that is spelt in two ways",
      second('{"op":"h_put_tce","liobn":0,"liob\\u006e":1,"ioba":0,"tce":3}'),
      's:2:29: member "liobn" is repeated: column 19 has it already',
    ],
    [
      "a member of all objects",
      second('{"op":"note","text":"","__proto__":{"op":1}}'),
      's:2:36: unknown member "__proto__" of note: there are text, op, result, crash',
    ],
    [
      "a member twice within a result",
      second('{"op":"note","text":"","result":[{"a":{"b":1,"b":1}}]}'),
      's:2:46: member "b" is repeated: column 40 has it already',
    ],
    [
      "both names of an RTAS call",
      second('{"op":"rtas","token":1,"name":"quiesce","args":[],"nret":1}'),
      's:2:31: "name" beside "token": one of them names the call',
    ],
    ["a decimal string", second(`{${PUT},"tce":"12"}`), 's:2:59: "tce" is "12": expected a 64-bit value'],
    [
      "the last of two of a name",
      second(`{${PUT},"tce":"0x1","tce":"x"}`),
      's:2:65: member "tce" is repeated: column 53 has it already',
    ],
    [
      "a field behind a nested one",
      second('{"op":"note","result":{"text":1},"text":5}'),
      's:2:41: "text" is 5: expected a string',
    ],
    [
      "a field behind characters above ASCII",
      second('{"op":"note","result":"\u007f\u0080\u009f\ud800é","text":5}'),
      's:2:38: "text" is 5: expected a string',
    ],
    [
      "a field behind a long string",
      second(`{"op":"note","result":"${"y\\n".repeat(1_300_000)}","text":5}`),
      's:2:3900033: "text" is 5: expected a string',
    ],
    [
      "a list with a bad entry",
      second('{"op":"h_put_tce_indirect","liobn":0,"ioba":0,"list":[1,"y"]}'),
      's:2:54: "list" is "y": expected a 64-bit value',
    ],
    [
      "neither list nor npages",
      second('{"op":"h_put_tce_indirect","liobn":0,"ioba":0}'),
      's:2:1: "npages" is nothing',
    ],
    [
      "too many registers",
      second('{"op":"hcall","opcode":1,"args":[1,2,3,4,5,6,7,8,9,10]}'),
      's:2:33: "args" is [1,2,3,4,5,6,7,8,9,10]: expected a list of at most 9',
    ],
    [
      "an unknown RTAS call",
      second('{"op":"rtas","name":"ibm,query","args":[],"nret":1}'),
      's:2:21: unknown RTAS call "ibm,query", did you mean "ibm,query-pe-dma-window"?',
    ],
    [
      "no RTAS call",
      second('{"op":"rtas","args":[],"nret":1}'),
      's:2:1: "name" is nothing: expected a string',
    ],
    [
      "a cell above 32 bits",
      second('{"op":"rtas","token":1,"args":[4294967296],"nret":1}'),
      's:2:31: "args" is 4294967296: expected a whole number from 0 to 4294967295',
    ],
    [
      "too many return cells",
      second('{"op":"rtas","token":1,"args":[],"nret":1025}'),
      's:2:41: "nret" is 1025: expected a whole number from 0 to 1024',
    ],
    [
      "odd digits",
      second('{"op":"write_mem","addr":0,"data":"abc"}'),
      's:2:35: "data" is "abc": expected up to 16777216 bytes',
    ],
    [
      "too much to read",
      second('{"op":"read_mem","addr":0,"len":16777217}'),
      's:2:33: "len" is 16777217: expected a whole number from 0 to 16777216',
    ],
    [
      "a DMA of nothing",
      second('{"op":"dma_write","iova":0,"data":""}'),
      's:2:35: "data" is "": expected 1 to 2040 bytes',
    ],
    [
      "a DMA too long",
      second('{"op":"dma_read","iova":0,"len":2041}'),
      's:2:33: "len" is 2041: expected a whole number from 1 to 2040',
    ],
    [
      "a bridge that is not there",
      second('{"op":"dma_read","phb":2,"iova":0,"len":1}'),
      's:2:24: "phb" is 2: the machine has no such host bridge',
    ],
    [
      "the place in a file with blank lines and CRs",
      `${HEADER}\r\n\r\n{"op":"note"}\r\n`,
      's:3:1: "text" is nothing: expected a string',
    ],
  ])("is refused with its place and value: %s", (_name, text, message) => {
    let error: unknown;
    try {
      parseOpScript(text, "s");
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(IommuError);
    expect((error as IommuError).code).toBe("BAD_FILE");
    expect((error as IommuError).message.slice(0, message.length)).toBe(message);
  });

  it("has its place in the details, too", () => {
    expect(() => parseOpScript(second(`{${PUT}, "tce":"z"}`), "dir/s.jsonl")).toThrow(
      expect.objectContaining({ details: { file: "dir/s.jsonl", line: 2, column: 60 } }),
    );
  });

  it("may have a result of exactly 64 levels", () => {
    const script = parseOpScript(second(`{"op":"note","text":"","result":${nested(64)}}`), "s");
    expect(script.lines).toHaveLength(1);
  });
});

/** A right line for each operation. */
const RIGHT: Readonly<Record<Operation["op"], Readonly<Record<string, unknown>>>> = {
  h_put_tce: { liobn: "0x80000000", ioba: 0, tce: 3 },
  h_get_tce: { liobn: "0x80000000", ioba: 0 },
  h_put_tce_indirect: { liobn: "0x80000000", ioba: 0, listAddr: "0x200000", list: [3], npages: 1 },
  h_stuff_tce: { liobn: "0x80000000", ioba: 0, tce: 0, npages: 1 },
  get_tce_scan: { liobn: "0x80000000", ioba: 0, step: 4096, count: 1 },
  hcall: { opcode: 4, args: [1], nout: 1 },
  rtas: { name: "quiesce", args: [], nargs: 0, nret: 1 },
  write_mem: { addr: 0, data: "00" },
  fill_mem: { addr: 0, len: 8, value: 1 },
  read_mem: { addr: 0, len: 1 },
  system_reset: {},
  fdt_prop: { path: "/rtas", prop: "x" },
  dma_read: { phb: 0, iova: 0, len: 1 },
  dma_write: { phb: 0, iova: 0, data: "00" },
  bench: { opcode: 4, args: [1], count: 1, step: 1, wrap: 1, step2: 1 },
  device_add: { id: "d", phb: 0, slot: 3, server: "strict" },
  device_del: { id: "d" },
  vfio_dma_read: { dev: "d", iova: 0, len: 1 },
  vfio_dma_write: { dev: "d", iova: 0, data: "00" },
  note: { text: "" },
};

describe("a member of an operation", () => {
  const script = (op: string, members: Readonly<Record<string, unknown>>): string => {
    const vfioUser = op.startsWith("vfio") || op.startsWith("device");
    return [
      { header: 1, ...(vfioUser ? { vfioUser: {} } : {}) },
      { op, ...members },
    ]
      .map((line) => JSON.stringify(line))
      .join("\n");
  };

  it.each(Object.entries(RIGHT))("is read, whichever it is: %s", (op, right) => {
    expect(parseOpScript(script(op, right), "s").lines).toHaveLength(1);
    for (const member of OPERATION_MEMBERS[op as Operation["op"]]) {
      // "token" stands in the place of "name".
      const { [member === "token" ? "name" : ""]: _, ...rest } = right;
      expect(() => parseOpScript(script(op, { ...rest, [member]: { no: 1 } }), "s"), member).toThrow(
        `"${member}" is {"no":1}: expected`,
      );
      expect(() => parseOpScript(script(op, { ...right, [`${member}x`]: 1 }), "s"), member).toThrow(
        `unknown member "${member}x" of ${op}, did you mean `,
      );
    }
  });

  it("may be written as any number that is whole", () => {
    const text = second(`{${PUT},"tce":4.096e3}\n{${PUT},"tce":4099.000}\n{${PUT},"tce":0.00e-9}`);
    const tces = parseOpScript(text, "s").lines.map(({ operation }) => (operation as { tce: bigint }).tce);
    expect(tces).toEqual([4096n, 4099n, 0n]);
  });
});

it.each(HEADER_MEMBERS.read)("a member of the header is read: %s", (member) => {
  const header = JSON.stringify({ header: 1, [member]: [{ no: 1 }] });
  expect(() => parseOpScript(header, "s")).toThrow(/^s:1:\d+: /);
});

describe("a property of the device tree", () => {
  it.each(["__proto__", "constructor", "toString"])("is none if all objects have it: %s", (prop) => {
    const script = parseOpScript(
      second(`{"op":"fdt_prop","path":"/pci@800000020000000","prop":"${prop}"}`),
      "s",
    );
    expect(runOpScript(script)).toEqual([{ value: null }]);
  });
});

describe("a script that takes much memory", () => {
  const SCRIPTS = [
    {
      what: "long lines",
      lines: () => `{"op":"note","text":"","result":[${"{},".repeat(700_000)}{}]}\n`.repeat(3),
      says: /^s:3:1: the lines take more than 100663296 bytes of memory by here, after \d+ of them: split the file$/,
    },
    {
      what: "many lines",
      lines: () => '{"op":"note","text":""}\n'.repeat(Math.ceil(MAX_LINES_BYTES / 300)),
      says: /^s:\d+:1: the lines take more than 100663296 bytes of memory by here, after \d{6} of them: split the file$/,
    },
  ];
  it.each(some(SCRIPTS, 2))("is refused where the limit is: $what", ({ lines, says }) => {
    const text = `${HEADER}\n${lines()}`;
    expect(() => parseOpScript(text, "s")).toThrow(says);
  });
});
