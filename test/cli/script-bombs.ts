import { writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { scratchFolder } from "../helpers/scratch.ts";
import { measured } from "./measured.ts";

export const LIMIT_MIB = 300;
export const HEADER = '{"header":1}';
export const NOTE = '{"op":"note","text":""}\n';

const folder = scratchFolder();

/** Writes a file of that name, and returns its path. */
export const written = (name: string, bytes: string | Uint8Array): string => {
  const file = path.join(folder, name);
  writeFileSync(file, bytes);
  return file;
};

/** A header, and a text so many times behind it, packed: members of gzip may follow one another. */
function packed(header: string, piece: string, times: number): Uint8Array {
  const member = gzipSync(piece);
  return Buffer.concat([gzipSync(header), ...Array.from({ length: times }, () => member)]);
}

const MIB = 2 ** 20;
/** A note with a result of so many values. */
const noteOf = (values: string): string => `{"op":"note","text":"","result":${values}}\n`;

/** Scripts that are small when packed. */
const BOMBS: readonly {
  name: string;
  bytes: () => Uint8Array;
  reason: RegExp;
  verb?: string;
  isLong?: true;
}[] = [
  {
    name: "524,288,000 empty lines",
    isLong: true,
    bytes: () => packed(`${HEADER}\n`, "\n".repeat(MIB), 500),
    reason: /: a text of more than 33554432 bytes$/m,
  },
  {
    name: "12 million operations",
    isLong: true,
    bytes: () => packed(`${HEADER}\n`, NOTE.repeat(60_000), 200),
    reason: /: a text of more than 33554432 bytes$/m,
  },
  {
    name: "512 MiB of blanks",
    bytes: () => packed("", " ".repeat(MIB), 512),
    reason: /: a text of more than 33554432 bytes$/m,
  },
  {
    name: "as many operations as a text can hold",
    verb: "check",
    isLong: true,
    bytes: () => packed(`${HEADER}\n`, NOTE.repeat(60_000), 23),
    reason: /:\d{6}:1: the lines take more than 100663296 bytes of memory by here/,
  },
  {
    name: "lines of a million objects",
    verb: "check",
    isLong: true,
    bytes: () => packed(`${HEADER}\n`, noteOf(`[${"{},".repeat(900_000)}{}]`), 10),
    reason: /:3:1: the lines take more than 100663296 bytes of memory by here/,
  },
  {
    name: "lines of a million lists",
    isLong: true,
    bytes: () => packed(`${HEADER}\n`, noteOf(`[${"[],".repeat(1_300_000)}[]]`), 8),
    reason: /:2:1: the lines take more than 100663296 bytes of memory by here/,
  },
  {
    name: "a line of two million levels",
    isLong: true,
    bytes: () => packed(`${HEADER}\n`, noteOf("[".repeat(2e6) + "]".repeat(2e6)), 1),
    reason: /:2:97: expected at most 64 levels, found "\["/,
  },
  {
    name: "a line of 30 MiB",
    isLong: true,
    bytes: () => packed(`${HEADER}\n`, noteOf(`"${"x".repeat(30 * MIB)}"`), 1),
    reason: /:2:1: line of 31457315 characters: the limit is 4194304/,
  },
];

/** Scripts that are small when packed end with a reason below 300 MiB: one of each kind, or all. */
export function readBombs(which: "quick" | "all"): void {
  it.each(BOMBS.filter(({ isLong }) => which === "all" || isLong !== true))(
    "ends with a reason below 300 MiB: $name",
    async ({ name, bytes, reason, verb = "exec" }) => {
      const file = written(`${name.replaceAll(/\W+/g, "-")}.jsonl.gz`, bytes());
      const { status, stdout, stderr, peakMib } = await measured([verb, file]);
      expect(stderr).toMatch(reason);
      expect(stdout).toBe("");
      expect(status).toBe(1);
      expect(peakMib).toBeLessThan(LIMIT_MIB);
    },
  );
}
