import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { FINDING_KINDS } from "../../src/check/findings/kinds.ts";
import { checkReportToJson, checkTrace } from "../../src/check/index.ts";
import { rowsOf, showReport } from "../../src/cli/verbs/oracle.ts";
import { digest, KnownDifferences } from "../../src/formats/known-differences.ts";
import { parseOpScript } from "../../src/formats/op-script/script.ts";
import { compareWith } from "../../src/live/oracle.ts";
import { connectDevice } from "../../src/live/vfio-user-socket.ts";
import { Machine } from "../../src/spapr/machine.ts";
import { Hcall } from "../../src/spapr/papr.ts";
import { DeviceHost } from "../../src/vfio-user/client/device-host.ts";
import { readCorpus, smallCorpusNames } from "../helpers/corpus.ts";
import { readDocument } from "../helpers/markdown.ts";
import { some } from "../helpers/some.ts";
import { FakeQemu } from "../live/fake-qemu.ts";
import { allCommands, cli } from "./cli.ts";
import {
  BOOT,
  CALLS,
  DEVICES,
  FAULTS,
  folder,
  PLANTED,
  PUT,
  SAVED,
  TESTS,
  testCase,
  trace,
  written,
} from "./schema-calls.ts";
import {
  answers,
  followsSchema,
  isCheckable,
  jsonFollowsSchema,
  rowFollows,
  SCHEMAS,
  unseen,
} from "./schemas.ts";

/** Those that take little time; the long run has all. */
const checkable = readdirSync(path.join(TESTS, "cases")).filter(
  (name) =>
    statSync(testCase(name)).isFile() && statSync(testCase(name)).size < 3_000 && isCheckable(testCase(name)),
);

/** A host's windows, of which no other short one tells. */
const DEVICE_WINDOWS = "21-spapr-and-vfio.log";

/** Names that only a longer run shows are none: each name of a schema is in an answer of these. */
const complete = (verb: string): void => afterAll(() => expect(unseen(verb).join(", ")).toBe(""));

describe("the schema of check", () => {
  complete("check");

  it.each(some(checkable, 3).concat(DEVICE_WINDOWS))("holds for %s", async (name) => {
    await jsonFollowsSchema(["check", testCase(name)]);
  });

  it.each(some(smallCorpusNames("traces", ".gz", 4_000), 3))("holds for %s", async (name) => {
    await jsonFollowsSchema(["check", trace(`${name}.gz`)]);
  });

  it("holds for findings with call stacks", async () => {
    const text = new TextDecoder().decode(
      readCorpus("traces", "dma-x86-linux612-vtd-trace-cmd-report-stacks.txt"),
    );
    const wrong = text.replace(/ dma_unmap_page: .*dma_addr=fffbd000 .*/, (line) =>
      line.replace("FROM_DEVICE", "TO_DEVICE"),
    );
    await followsSchema(["check", "--devices", DEVICES, written("wrong.txt", wrong)]);
  });

  it("holds for a report that leaves findings out", async () => {
    const report = await checkTrace("spapr_iommu_new_table liobn=0x80000000 table=0x1 fd=-1\n");
    answers("check", JSON.stringify({ files: [checkReportToJson({ ...report, droppedFindings: 3 })] }));
  });

  it.each([
    ["--kernel-log", testCase("03-faults.dmesg"), testCase("03-ring-writeback-fault.txt")],
    ["--against", SAVED, BOOT],
    [PLANTED, FAULTS, testCase("21-vfio-listener.log"), testCase("10-swiotlb-only.txt")],
  ])("holds for a check with %s", (...args) => followsSchema(["check", ...args]));

  it("knows the kinds of findings", () => {
    expect(SCHEMAS.get("common")).toHaveProperty(
      "$defs.finding.properties.kind.enum",
      Object.keys(FINDING_KINDS),
    );
  });
});

describe.each(Object.entries(CALLS))("the schema of %s", (verb, calls) => {
  complete(verb);

  // The long run has the rows of all.
  it.each(calls.map((args, i) => ({ args, follows: i === 0 ? followsSchema : jsonFollowsSchema })))(
    "holds for $args",
    async ({ args, follows }) => {
      await follows([verb, ...args]);
    },
  );
});

const FORMS = some([["json", "jsonl"], ["csv"]], 2).flat();

/**
 * What happens while attach follows: two pages that map one target, an answer that another start explains, and a call for a
 * window of which nothing tells.
 */
const EVENTS = [
  "spapr_iommu_pci_put liobn=0x80000000 ioba=0x25000 tce=0x2003 ret=0",
  "spapr_iommu_pci_put liobn=0x80000000 ioba=0x26000 tce=0x2003 ret=0",
  "spapr_iommu_pci_put liobn=0x80000000 ioba=0x28000 tce=0x9003 ret=0",
  "spapr_iommu_xlate liobn=0x80000000 0x8000 -> 0x9000 perm=3 mask=0xfff",
  "spapr_iommu_pci_put liobn=0x80000101 ioba=0x800000000001000 tce=0x3003 ret=0",
];

/** A saved machine in which a VIO device sees memory past its window: LIOBN, number of entries, bypass. */
function bypassing(stream: Uint8Array, liobn: number): Uint8Array {
  const bytes = Buffer.from(stream);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(liobn);
  head.writeUInt32BE(0x1_0000, 4);
  bytes[bytes.indexOf(head) + 8] = 1;
  return bytes;
}

describe("the schema of attach", () => {
  complete("attach");

  it.each(FORMS)("holds for a session as %s", async (output) => {
    const qemu = new FakeQemu();
    qemu.stream = bypassing(readCorpus("migration", "vio-vscsi-vlan-linux61--vio-after-io.mig"), 0x7100_0003);
    await qemu.listen();
    try {
      const args = ["--qmp", qemu.socket, "--log", qemu.log, "--mappings", "--refresh", "10"];
      const session = cli(["attach", ...args, "--output", output]);
      // The last command before it is attached.
      while (!/ cont .*query-status/.test(` ${qemu.commands.join(" ")}`))
        await new Promise((resolve) => setTimeout(resolve, 20));
      qemu.append(`${EVENTS.join("\n")}\n`);
      await qemu.end();
      const { status, stdout, stderr } = await session;
      expect(status, stderr).toBe(2);
      const lines = stdout.trimEnd().split("\n");
      if (output === "json") answers("attach", stdout);
      if (output === "jsonl") for (const line of lines) rowFollows("attach", line);
      if (output === "csv") expect(lines.filter((line) => /^(?:attached|end),/.test(line))).toHaveLength(2);
    } finally {
      qemu.close();
    }
  });
});

describe("the schema of probe", () => {
  complete("probe");

  it.each(FORMS)("holds for a host that maps and resets, as %s", async (output) => {
    const socket = path.join(folder, `probe-${output}.sock`);
    const put = { op: "h_put_tce", liobn: "0x80000000", ioba: "0x1000", tce: "0x2003", result: { ret: 0 } };
    const expected = written(
      "expected.jsonl",
      [{ header: 1, vfioUser: {} }, { op: "device_add", id: "dev0" }, put]
        .map((line) => JSON.stringify(line))
        .join("\n"),
    );
    const args = ["--once", "--expect", expected, "--output", output];
    const probing = cli(["probe", socket, ...args]);
    const host = await DeviceHost.plug(new Machine(), await connectDevice(socket));
    host.machine.call(Hcall.PUT_TCE, 0x8000_0000n, 0x1000n, 0x2001n);
    await host.settle();
    await host.reset();
    host.unplug();
    const { status, stdout } = await probing;
    expect(status).toBe(2);
    const lines = stdout.trimEnd().split("\n");
    if (output === "json") answers("probe", stdout);
    if (output === "jsonl") for (const line of lines) rowFollows("probe", line);
    if (output === "csv")
      expect(lines).toEqual(["msg,iova,size,prot", "DMA_MAP,0x1000,0x1000,1", "DEVICE_RESET,,,"]);
  });
});

describe("the schema of oracle", () => {
  complete("oracle");

  const source = parseOpScript(`{"header":1}\n${PUT}}\n${PUT}}\n${PUT}}\n`, "script.jsonl");
  const crash = { signal: "SIGABRT", code: null, message: "abort" };
  const known = new KnownDifferences([
    {
      recording: "script.jsonl",
      line: 2,
      operation: digest(JSON.parse(`${PUT}}`)),
      ours: { ret: 0 },
      reason: "as we want it",
    },
  ]);

  it("holds for reports", () => {
    const real = { results: [{ ret: -4 }], crash, messages: [] };
    const report = compareWith(source, real, known);
    const head = { qemu: "7.2.22", profile: "qemu-7.2" };
    answers("oracle", JSON.stringify({ ...head, files: [showReport(report)] }));
    const random = { seed: 1, operations: 3, machines: 1, difference: showReport(report) };
    answers("oracle", JSON.stringify({ ...head, ...random }));
    const rows = rowsOf(report);
    expect(rows).toHaveLength(2);
    for (const row of rows) rowFollows("oracle", JSON.stringify(row));
  });
});

/** Schemas of what people write, made of the shapes that read it. */
const FILES_OF_PEOPLE = ["machine", "story"];

it("schemas of files that people write are what the code says (npm run schemas)", () => {
  const { status, stderr } = spawnSync(process.execPath, ["scripts/schemas.mjs", "--check"], {
    cwd: path.resolve(TESTS, ".."),
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
});

it("each verb with an answer has a schema, and its help says where it is", async () => {
  const answering = (await allCommands()).filter(({ command }) =>
    command.options.some(({ long }) => long === "--output"),
  );
  const names = ["common", ...FILES_OF_PEOPLE, ...answering.map(({ verb }) => verb.name)];
  expect(names.sort()).toEqual([...SCHEMAS.keys()].sort());
  const document = readDocument("output.md");
  for (const { verb } of answering) {
    expect(document).toContain(`\n| \`${verb.name}\` `);
    const { stdout } = await cli([verb.name, "--help"]);
    expect(stdout).toContain(`schema/${verb.name}.schema.json`);
  }
});

it("what several schemas have is in answers", () => {
  expect(unseen("common").join(", ")).toBe("");
});

it("versions are in the names of schemas, which name no host", () => {
  for (const [name, { $id }] of SCHEMAS) expect($id).toBe(`spapr-iommu:/schema/1/${name}.schema.json`);
});
