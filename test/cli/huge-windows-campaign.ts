import { writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, it } from "vitest";
import { be, CONFIGURATION, footer, HEADER, named } from "../formats/migration/small-stream.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { cli } from "./cli.ts";
import { type CommandRun, commandLines, commandLinesHere, measured } from "./measured.ts";

/** Entries of the largest window that a guest can ask for. */
const ENTRIES = 2 ** 31;
/** A loop over the entries takes longer, however fast it is. */
const CPU_SECONDS = 2;
/** A window's entries would take many times as much; how much garbage there is at a time depends on the machine. */
const LIMIT_MIB = 250;

const folder = scratchFolder();
const inFolder = (name: string): string => path.join(folder, name);

/** A window of so many entries that is filled, again with the same, with something else, cleared, filled and removed. */
function scriptOf(entries: number): string {
  const size = Math.log2(entries) + 12;
  const create = {
    op: "rtas",
    name: "ibm,create-pe-dma-window",
    args: [0, 0x800_0000, 0x2000_0000, 12, size],
    nret: 4,
  };
  const stuff = (tce: string) => ({
    op: "h_stuff_tce",
    liobn: "0x80000001",
    ioba: "0x800000000000000",
    tce,
    npages: `0x${entries.toString(16)}`,
  });
  return [
    { header: 1, phbs: [{ index: 0 }] },
    create,
    ...["0x5003", "0x5003", "0x7001", "0x0", "0x0", "0x7003"].map(stuff),
    { op: "dma_read", phb: 0, iova: "0x800000000010000", len: 4 },
    { op: "rtas", name: "ibm,remove-pe-dma-window", args: [0x8000_0001], nret: 1 },
    create,
    stuff("0x9003"),
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join("");
}

/** Full entries of a table in a stream; each takes its 8 bytes there. */
const STREAMED = 2 ** 20;

function stream(): Uint8Array {
  const table = new DataView(new ArrayBuffer(STREAMED * 8));
  for (let i = 0; i < STREAMED; i++) table.setBigUint64(i * 8, 0x9003n);
  const geometry = [
    ...[5, ...named("spapr_iommu_ex"), ...be(4, 1), ...be(8, 0x800_0000_0000_0000n), ...be(4, 12)],
  ];
  return Buffer.concat([
    Uint8Array.from([
      ...[...HEADER, ...CONFIGURATION],
      ...[4, ...be(4, 1), ...named("spapr_iommu"), ...be(4, 0x8000_0001), ...be(4, 3)],
      ...[...be(4, 0x8000_0001), ...be(4, STREAMED), 0],
    ]),
    new Uint8Array(table.buffer),
    Uint8Array.from([1, ...geometry, ...footer(1), 0]),
  ]);
}

const FILES = {
  script: inFolder("huge.jsonl"),
  recording: inFolder("huge-recorded.jsonl"),
  log: inFolder("huge.log"),
  stream: inFolder("full.mig"),
  streamLog: inFolder("full.log"),
  devices: inFolder("devices.jsonl"),
};

/** Writes the files that the command lines read. */
async function writeFiles(): Promise<void> {
  writeFileSync(FILES.script, scriptOf(ENTRIES));
  writeFileSync(FILES.stream, stream());
  const [header, ...rest] = scriptOf(ENTRIES).split("\n");
  const plugged = `${header!.slice(0, -1)},"vfioUser":{}}`;
  const lines = rest.filter((line) => !line.includes("dma_read"));
  writeFileSync(FILES.devices, [plugged, '{"op":"device_add","id":"d"}', ...lines].join("\n"));
  const ran = await cli(["exec", FILES.script, "--trace"]);
  expect(ran.status).toBe(0);
  writeFileSync(FILES.recording, ran.stdout);
  writeFileSync(FILES.log, ran.stderr);
  const small = inFolder("small.jsonl");
  writeFileSync(small, scriptOf(STREAMED));
  writeFileSync(FILES.streamLog, (await cli(["exec", small, "--trace"])).stderr);
}

const { script, recording, log, stream: saved, streamLog } = FILES;
const BOTH = ["human", "json"] as const;

/** Command lines, the exit status of each, and something that its output has. */
const ROWS: readonly { readonly args: readonly string[]; readonly status: number; readonly says: RegExp }[] =
  [
    ...BOTH.flatMap((output) => {
      const form = ["--output", output];
      return [
        {
          args: ["exec", script, ...form],
          status: 0,
          says: /"npages":"0x80000000"\}?,"(?:result|actual)":\{"ret":0\}/,
        },
        { args: ["exec", script, "--explain", "--trace", ...form], status: 0, says: /pci_stuff/ },
        { args: ["exec", recording, "--check", ...form], status: 0, says: /11 as recorded|"same":11/ },
        { args: ["check", script, ...form], status: 2, says: /double-map/ },
        { args: ["check", log, ...form], status: 2, says: /2,?147,?483,?648/ },
        { args: ["check", log, "--ram", "0x8000", ...form], status: 2, says: /beyond-ram/ },
        { args: ["check", saved, "--ram", "0x8000", ...form], status: 2, says: /beyond-ram/ },
        { args: ["check", streamLog, "--against", saved, ...form], status: 2, says: /1,?048,?576/ },
        { args: ["check", log, "--against", saved, ...form], status: 2, says: /mismatch/ },
        { args: ["info", log, ...form], status: 0, says: /2,?147,?483,?648/ },
        { args: ["info", log, "--at", "3", ...form], status: 0, says: /2,?147,?483,?648/ },
        { args: ["info", log, "--migration", ...form], status: 0, says: /1 runs|"runs":1/ },
        { args: ["info", saved, ...form], status: 0, says: /1,?048,?576/ },
        { args: ["info", saved, "--migration", ...form], status: 0, says: /1 runs|"runs":1/ },
        {
          args: ["map", log, ...form],
          status: 0,
          says: /0x0*9000 \(all\)|"pages":2147483648.*"sameTarget":true/,
        },
        {
          args: ["map", saved, ...form],
          status: 0,
          says: /0x0*9000 \(all\)|"pages":1048576.*"sameTarget":true/,
        },
        { args: ["diff", `${log}@2`, `${log}@4`, ...form], status: 0, says: /0x7000 r-|"0x7001"/ },
        {
          args: ["diff", streamLog, saved, ...form],
          status: 0,
          says: /^(?:\[\]|--- .*\n\+\+\+ .*\nnothing changed)\n$/,
        },
        {
          args: ["diff", saved, streamLog, ...form],
          status: 0,
          says: /^(?:\[\]|--- .*\n\+\+\+ .*\nnothing changed)\n$/,
        },
        { args: ["info", script, ...form], status: 0, says: /2,?147,?483,?648/ },
        { args: ["map", script, ...form], status: 0, says: /0x0*9000 \(all\)|"pages":2147483648/ },
        { args: ["diff", `${script}@2`, `${script}@3`, ...form], status: 0, says: /0x7000 r-|"0x7001"/ },
        ...[script, log, saved].flatMap((file) => [
          { args: ["who", file, "0x800000000123456", ...form], status: 0, says: /0x9000/ },
          { args: ["who", file, "0x9000+4K", "--physical", ...form], status: 0, says: /0x800000000000000/ },
          { args: ["who", file, "0-0xfffffffffffffffe", ...form], status: 0, says: /0x9000/ },
          { args: ["alive", file, ...form], status: 0, says: /8 TiB|4 GiB|8796093022208|4294967296/ },
        ]),
        { args: ["stat", log, ...form], status: 0, says: /10,?737,?418,?240/ },
        { args: ["run", "linux-boot", "--trace", log, ...form], status: 0, says: /2,?147,?483,?648/ },
        { args: ["run", "linux-boot", "--trace", log, "--coherence", ...form], status: 0, says: /147,?483/ },
        // A state that takes 2^31 / 512 calls is too much for a script: that is said at once.
        { args: ["shrink", log, "--finding", "1", ...form], status: 1, says: /more than 20000 calls/ },
        { args: ["shrink", log, "--finding", "2", ...form], status: 0, says: /double-map/ },
        { args: ["shrink", log, "--finding", "3", ...form], status: 0, says: /replaced-live/ },
        { args: ["shrink", log, "--finding", "4", ...form], status: 0, says: /leak/ },
      ];
    }),
    ...[".jsonl", ".csv", ".parquet", ".perfetto-trace"].flatMap((end) =>
      ["events", "mappings"].map((table) => ({
        args: ["convert", log, inFolder(`out-${table}${end}`), "--table", table, "--force"],
        status: 0,
        says: /-> /,
      })),
    ),
    { args: ["convert", saved, inFolder("blank.mig")], status: 0, says: /-> / },
    // A report ends as a check does.
    { args: ["check", saved], status: 2, says: /:24: error/ },
    ...[script, log, saved].map((file) => ({
      args: ["report", file],
      status: 2,
      says: /2,147,483,648|1,048,576/,
    })),
  ];

/** Two of three lines in one of the two forms, and each verb; the long run has all. */
const FORM_LINES = ROWS.filter(({ args }) => args.at(-2) === "--output").length / 2;
const QUICK = ROWS.filter((_, i) => i >= 2 * FORM_LINES || (i % FORM_LINES) % 3 === (i < FORM_LINES ? 0 : 1));

/** What verbs do with a window of 2^31 full entries; how much memory they take together, the long run tells. */
export function useHugeWindows(which: "quick" | "all"): void {
  const rows = which === "all" ? ROWS : QUICK;
  let runs: readonly CommandRun[] = [];
  let mib = 0;
  beforeAll(async () => {
    await writeFiles();
    const lines = rows.map(({ args }) => args);
    if (which === "all") ({ runs, peakMib: mib } = await commandLines(lines));
    else runs = await commandLinesHere(lines);
  });

  if (which === "all")
    it("takes no memory for its length, whatever is done with it", () => {
      expect(mib).toBeLessThan(2 * LIMIT_MIB);
    });

  it.each(rows.map((row, i) => ({ ...row, i, line: row.args.join(" ").replaceAll(`${folder}/`, "") })))(
    "costs no verb its length: $line",
    ({ status, says, i }) => {
      const ran = runs[i]!;
      expect(ran.output).toMatch(says);
      expect(ran.status, ran.output).toBe(status);
      expect(ran.cpuSeconds).toBeLessThan(CPU_SECONDS);
    },
  );

  it("is tried with every verb that reads a file", async () => {
    const { stdout } = await cli(["--help"]);
    const verbs = [...stdout.matchAll(/^ {2}([a-z]+) \[options\]/gm)].map(([, verb]) => verb!);
    // Some ask a running QEMU, or a peer at a socket, one gives files to a browser, and one reads descriptions of machines, in
    // which nothing is mapped.
    const others = ["attach", "oracle", "plan", "device", "probe", "ui"];
    const expected = verbs.filter((verb) => !others.includes(verb));
    expect([...new Set(rows.map(({ args }) => args[0]!))].sort()).toEqual(expected.sort());
  });

  it.each(which === "all" ? BOTH : BOTH.slice(1))(
    "is streamed by map --raw, which stops with its reader: %s",
    async (output) => {
      const { status, stdout, peakMib, cpuSeconds } = await measured(
        ["map", log, "--raw", "--output", output],
        {
          closes: true,
        },
      );
      expect(stdout.slice(0, 400)).toContain(
        output === "json" ? '"tces":[[0,"0x9003"],[1,' : "\n  0 0x9003\n  1 ",
      );
      expect(status).toBe(0);
      expect(peakMib).toBeLessThan(LIMIT_MIB);
      expect(cpuSeconds).toBeLessThan(CPU_SECONDS);
    },
  );

  if (which === "all")
    it("is refused for a device that would get a message for each page", async () => {
      const { status, stderr, peakMib } = await measured(["exec", FILES.devices, "--profile", "qemu-11.1"]);
      expect(stderr).toMatch(/devices\.jsonl:4: the operation sends more than 262144 DMA messages/);
      expect(status).toBe(1);
      expect(peakMib).toBeLessThan(2 * LIMIT_MIB);
    });
}
