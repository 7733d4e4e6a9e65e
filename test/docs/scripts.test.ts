import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { KERNEL_HEADER_MEMBERS } from "../../src/formats/kernel-script/parse.ts";
import type { Members } from "../../src/formats/members.ts";
import { HEADER_MEMBERS, PHB_MEMBERS, VFIO_USER_MEMBERS } from "../../src/formats/op-script/header.ts";
import { OPERATION_MEMBERS } from "../../src/formats/op-script/parse-operation.ts";

const TEXT = readFileSync(path.join(import.meta.dirname, "../../docs/scripts.md"), "utf8");

/** Rows of the table behind a text. */
function tableBehind(text: string): string[][] {
  const from = TEXT.indexOf("\n|", TEXT.indexOf(text));
  const table = TEXT.slice(from + 1, TEXT.indexOf("\n\n", from + 1));
  return table
    .split("\n")
    .slice(2)
    .map((row) => row.split("|").map((cell) => cell.trim()));
}

const namesIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);

describe("docs/scripts.md", () => {
  it.each<{ behind: string; members: Members }>([
    { behind: "A machine and what its guest does", members: HEADER_MEMBERS },
    { behind: "A host bridge:", members: PHB_MEMBERS },
    { behind: "Members of `vfioUser`:", members: VFIO_USER_MEMBERS },
    { behind: "## Recordings of a host kernel", members: KERNEL_HEADER_MEMBERS.header },
    { behind: "An arena:", members: KERNEL_HEADER_MEMBERS.arena },
    { behind: "Members of `get_info_v2`:", members: KERNEL_HEADER_MEMBERS.get_info_v2 },
  ])("names the members that are read and those that are not: $behind", ({ behind, members }) => {
    const rows = tableBehind(behind).map(([, name, what]) => ({ name: namesIn(name!)[0], what: what! }));
    const informative = (what: string): boolean => what.startsWith("informative");
    expect(rows.filter(({ what }) => !informative(what)).map(({ name }) => name)).toEqual([...members.read]);
    expect(rows.filter(({ what }) => informative(what)).map(({ name }) => name)).toEqual([
      ...(members.informative ?? []),
    ]);
  });

  it("names the members of all operations", () => {
    const rows = tableBehind("Operations; each has `op`").map(([, op, members]) => [
      namesIn(op!)[0],
      namesIn(members!),
    ]);
    expect(Object.fromEntries(rows)).toEqual(OPERATION_MEMBERS);
  });
});
