import { describe, expect, it } from "vitest";
import { measured } from "./measured.ts";
import { HEADER, LIMIT_MIB, readBombs, written } from "./script-bombs.ts";

const PUT = '{"op":"h_put_tce","liobn":"0x80000000","ioba":"0x1000","tce":"0x1000003","result":{"ret":0}}\n';

describe("a script that is small when packed", () => {
  readBombs("all");

  it("runs below 300 MiB where it is as large as it may be", async () => {
    const file = written("large.jsonl", `${HEADER}\n${PUT.repeat(130_000)}`);
    const { status, stdout, peakMib } = await measured(["exec", "--check", file]);
    expect(stdout).toContain("130,000 operations, 130,000 as recorded");
    expect(status).toBe(0);
    expect(peakMib).toBeLessThan(LIMIT_MIB);
  });

  it("is stopped where a result grows without end", async () => {
    const create =
      '{"op":"rtas","name":"ibm,create-pe-dma-window","args":[0,134217728,536870912,12,43],"nret":4}';
    // Every other entry of a list is 0: each one that is read is a stretch of its own.
    const list = `{"op":"fill_mem","addr":"0x200000","len":4096,"value":0}\n${Array.from(
      { length: 256 },
      (_, i) => `{"op":"write_mem","addr":${0x20_0000 + 16 * i},"data":"0000000000005003"}\n`,
    ).join("")}`;
    const put = '"opcode":"0x13c","args":["0x80000001","0x800000000000000","0x200000",512]';
    const bench = `{"op":"bench",${put},"count":1000,"step":"0x200000","wrap":"0x80000000000"}`;
    const scan =
      '{"op":"get_tce_scan","liobn":"0x80000001","ioba":"0x800000000000000","step":4096,"count":67108864}';
    const file = written("scan.jsonl", [HEADER, create, `${list}${bench}`, scan].join("\n"));
    const { status, stderr, peakMib } = await measured(["exec", file, "--check"]);
    expect(stderr).toContain("scan.jsonl:261: the scan finds more than 262144 stretches");
    expect(status).toBe(1);
    expect(peakMib).toBeLessThan(LIMIT_MIB);
  });
});
