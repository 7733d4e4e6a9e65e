import { describe, expect, it } from "vitest";
import { followLives } from "../../src/check/whole/follow-lives.ts";
import { EVENT_CLASSES } from "../../src/workbench/protocol.ts";
import { cli } from "../cli/cli.ts";
import { Table } from "../helpers/table.ts";

const SCRIPT = [
  { header: 1 },
  { op: "vfio_user_write", region: 7, offset: "0x4", data: "0600" },
  { op: "h_put_tce", liobn: "0x80000000", ioba: "0x1000", tce: "0x200003" },
  // It writes the page; then it is told of a transfer that waits, the page goes, and it goes on.
  { op: "vfio_user_write", region: 0, offset: "0x8", data: "0010000000000000020000000000000002000000" },
  { op: "vfio_user_write", region: 0, offset: "0x8", data: "0010000000000000020000000000000001010000" },
  { op: "h_put_tce", liobn: "0x80000000", ioba: "0x1000", tce: "0x0" },
  { op: "vfio_user_write", region: 0, offset: "0x24", data: "01000000" },
  { op: "vfio_user_read", region: 4, offset: "0x0", len: 4 },
]
  .map((line) => JSON.stringify(line))
  .join("\n");

/** What `device --script` prints: the script, with its results. */
const recorded = async (): Promise<string> => {
  const device = ["device", "--sample", "--mistake", "keeps-translation", "--quiet", "--script", "-"];
  return (await cli(device, SCRIPT)).stdout;
};

describe("the recording of a device's run", () => {
  it("is opened: windows, mappings over time, what the device did, and what was wrong with it", async () => {
    const table = new Table();
    const { format, events, spaces, notes, isJudged } = await table.open(await recorded(), "run.jsonl");
    expect([format, events, isJudged]).toEqual(["device-run", 7, false]);
    expect(spaces.map(({ name, kind }) => [name, kind])).toEqual([["0x80000000", "window"]]);
    expect(notes).toEqual([
      "the run of a device: what was found is what its recording says, and nothing else was judged",
      expect.stringMatching(/^line 7: stale: read of 2 bytes at 0x1000: .* was unmapped by message \d+/),
    ]);
    const ask = { space: spaces[0]!.number, first: 0, end: 16, limit: 10 };
    const mapped = async (event: number): Promise<number> =>
      (await table.ask("rows", { event, ...ask })).rows.length;
    expect(await Promise.all([0, 1, 4, 5].map(mapped))).toEqual([0, 1, 0, 0]);
    const lives = await table.ask("lives", {
      space: ask.space,
      axis: "event",
      from: 0,
      to: 7,
      rows: { shift: 0, starts: Float64Array.of(0), folds: Float64Array.of(1) },
      columns: 10,
      height: 10,
    });
    expect([lives.count, lives.starts[0], lives.ends[0]]).toEqual([1, 1, 4]);
    expect(table.findings).toMatchObject({
      findings: [],
      notJudged: [expect.stringContaining("run of a device")],
    });
  });

  it("has an event for each operation, of its class", async () => {
    const table = new Table();
    await table.open(await recorded(), "run.jsonl");
    const counts = await table.ask("lanes", { axis: "event", from: 0, to: 7, columns: 7 });
    const classes = Array.from({ length: 7 }, (_, column) =>
      EVENT_CLASSES.filter((_, kind) =>
        counts.counts.some(
          (count, i) => count > 0 && i % 7 === column && Math.floor(i / 7) % EVENT_CLASSES.length === kind,
        ),
      ),
    );
    expect(classes.flat()).toEqual(["other", "map", "use", "other", "unmap", "fault", "refused"]);
  });

  it("tells who used a page, as that of any script does", async () => {
    const uses: string[] = [];
    await followLives(await recorded(), undefined, {
      begin: () => {},
      end: () => {},
      reached: () => {},
      use: (space: string, first: bigint, last: bigint, kind: string) =>
        uses.push(`${space} ${first}-${last} ${kind}`),
    } as never);
    expect(uses).toEqual(["0x80000000 4096-4097 translated", "0x80000000 4096-4097 faulted"]);
  });

  it("is refused with the place of a result that is none", async () => {
    const broken = `${SCRIPT.split("\n").slice(0, 2).join("\n")}`.replace(
      '"0600"',
      '"0600","result":{"dma":[{"op":"look"}]}',
    );
    await expect(new Table().open(broken, "run.jsonl")).rejects.toThrow(
      /run\.jsonl:2:\d+: "op" of the result is "look": expected "read" or "write"/,
    );
  });
});
