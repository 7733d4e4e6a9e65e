import { beforeAll, describe, expect, it } from "vitest";
import { cli } from "./cli.ts";
import { type CommandRun, commandLinesHere } from "./measured.ts";
import { HEADER, NOTE, readBombs, written } from "./script-bombs.ts";

describe("a script that is small when packed", () => {
  readBombs("quick");
});

/** Texts that are no script, and what is said of them. */
const BROKEN: readonly { name: string; bytes: string | Uint8Array; says: string }[] = [
  {
    name: "a member that is misspelt",
    bytes: `${HEADER}\n{"op":"h_put_tce_indirect","liobn":"0x80000000","ioba":0,"listaddr":"0x300000","npages":1}`,
    says: ':2:69: unknown member "listaddr" of h_put_tce_indirect, did you mean "listAddr"? There are liobn, ioba, listAddr, list, npages, op, result, crash',
  },
  {
    name: "a member that is repeated",
    bytes: `${HEADER}\r\n{"op":"h_put_tce","liobn":"0x80000000","liobn":"0x80000001","ioba":4096,"tce":3}\r\n`,
    says: ':2:40: member "liobn" is repeated: column 19 has it already',
  },
  {
    name: "what a terminal obeys, in a name",
    bytes: `${HEADER}\n{"op":"no\\u001b]0;title\\u0007\\u001b[31mte"}`,
    says: ':2:7: unknown operation "no\\u001b]0;title\\u0007\\u001b[31mte"',
  },
  {
    name: "what a terminal obeys, written as it is",
    bytes: `${HEADER}\n{"op":"\u009b31m\u202e\u2028\u{e0001}"}`,
    says: ':2:7: unknown operation "\\u009b31m\\u202e\\u2028\\udb40\\udc01"',
  },
  {
    name: "a second byte order mark",
    bytes: `\ufeff\ufeff${HEADER}\n`,
    says: ':1:1: expected a value, found "\\ufeff"',
  },
  {
    name: "a byte that is no UTF-8",
    bytes: Buffer.concat([
      Buffer.from(`${HEADER}\n{"op":"note","text":"é\ufffd`),
      Uint8Array.of(0xff, 0x22, 0x7d),
    ]),
    says: ":2:24: byte 0xff is no UTF-8",
  },
  {
    name: "a character that is cut by the end",
    bytes: Buffer.from(`${HEADER}\n{"op":"note","text":"é`).subarray(0, -1),
    says: ":2:22: the end cuts what would be no UTF-8",
  },
  { name: "UTF-16", bytes: Buffer.from(`\ufeff${HEADER}`, "utf16le"), says: ":1:1: byte 0xff is no UTF-8" },
  { name: "nothing", bytes: "", says: ":1:1: the script is empty" },
  {
    name: "lines that end in CR",
    bytes: `${HEADER}\r${NOTE}`,
    says: ':1:14: expected the end of the line, found "{"',
  },
];

describe("a broken script", () => {
  const files = BROKEN.map(({ bytes }, i) => written(`broken-${i}.jsonl`, bytes));
  let runs: readonly CommandRun[] = [];
  beforeAll(async () => {
    runs = await commandLinesHere(files.map((file) => ["exec", file]));
  });

  it.each(BROKEN.map((row, i) => ({ ...row, i })))(
    "is refused with place and value: $name",
    ({ says, i }) => {
      expect(runs[i]?.output).toBe(`spapr-iommu: ${files[i]}${says}\n`);
      expect(runs[i]?.status).toBe(1);
    },
  );

  it("is named as standard input where it came from there", async () => {
    const { stderr } = await cli(["exec", "-"], Uint8Array.of(0xff));
    expect(stderr).toBe("spapr-iommu: stdin:1:1: byte 0xff is no UTF-8\n");
  });

  it("may end its lines as DOS does", async () => {
    const { status, stdout } = await cli(["exec", "--check", "-"], `${HEADER}\r\n${NOTE.trim()}\r\n\r\n`);
    expect(stdout).toBe("stdin: 1 operation, 0 as recorded, 1 without a recorded result\n");
    expect(status).toBe(0);
  });
});
