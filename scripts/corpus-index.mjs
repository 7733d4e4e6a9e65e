/**
 * Writes test/corpus/INDEX.md: every recording with where it is from, how much it holds, and what it shows, all read
 * from the recordings and their sidecars. `--check` only says whether the file is as it should be.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

const CORPUS = new URL("../test/corpus/", import.meta.url);
const INDEX = new URL("INDEX.md", CORPUS);
/** Characters of a note that are shown. */
const MAX_TEXT = 240;
/** Kinds of operations that are named in a row, the most frequent first. */
const NAMED_KINDS = 5;

const read = (name) => {
  const bytes = readFileSync(new URL(name, CORPUS));
  return (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
};
const namesIn = (folder, ending) =>
  readdirSync(new URL(folder, CORPUS))
    .filter((name) => name.endsWith(ending))
    .sort();
const count = (value) => value.toLocaleString("en-US");
/** A cell of a table: one line, without what would end it. */
function cell(value) {
  const text = String(value).replaceAll(/\s+/g, " ").trim();
  const short = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT).trimEnd()} ...` : text;
  return short.replaceAll("|", "\\|");
}

function table(columns, rows) {
  const all = [columns, ...rows].map((row) => row.map(cell));
  const line = (row) => `| ${row.join(" | ")} |`;
  return [line(all[0]), line(columns.map(() => "---")), ...all.slice(1).map(line)].join("\n");
}

function kindsOf(operations) {
  const kinds = new Map();
  for (const { op, name } of operations) {
    const kind = op === "rtas" && name !== undefined ? name : op;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return shareOf(kinds);
}

/** `h_put_tce 120, rtas 12, and 3 other kinds`. */
function shareOf(kinds) {
  const sorted = [...kinds].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const named = sorted.slice(0, NAMED_KINDS).map(([kind, times]) => `${kind} ${count(times)}`);
  const others = sorted.length - named.length;
  return named.join(", ") + (others > 0 ? `, and ${others} other kinds` : "");
}

function scripts(kind) {
  const rows = namesIn(`${kind}/`, ".jsonl.gz").map((name) => {
    const [header, ...operations] = read(`${kind}/${name}`)
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const recorder =
      header.qemu === undefined ? `Linux ${header.header.kernel}` : `QEMU ${header.qemu.split(" ")[0]}`;
    return [`\`${name}\``, recorder, count(operations.length), kindsOf(operations)];
  });
  return table(["recording", "recorded from", "operations", "of which"], rows);
}

const sidecarRows = (names, row, kind = "traces") =>
  names.map((name) => row(name, JSON.parse(read(`${kind}/${name}`))));

const qemuTraces = () =>
  table(
    ["trace", "guest", "events", "of which", "notes"],
    sidecarRows(
      namesIn("traces/", ".json").filter((name) => !name.startsWith("dma-")),
      (_, sidecar) => [
        [sidecar.file, sidecar.simple_file]
          .filter(Boolean)
          .map((name) => `\`${name}\``)
          .join(", "),
        `Linux ${sidecar.guest_kernel}`,
        count(Object.values(sidecar.facts.event_counts).reduce((sum, times) => sum + times, 0)),
        shareOf(new Map(Object.entries(sidecar.facts.event_counts))),
        sidecar.note ?? "",
      ],
    ),
  );

const boots = () =>
  table(
    ["trace", "guest", "events", "of which"],
    sidecarRows(
      namesIn("boots/", ".json"),
      (name, { guest_kernel, facts }) => {
        const counts = new Map(Object.entries(facts.event_counts));
        const sum = [...counts.values()].reduce((all, times) => all + times, 0);
        return [
          `\`${name.replace(".json", ".log.gz")}\``,
          `Linux ${guest_kernel}`,
          count(sum),
          shareOf(counts),
        ];
      },
      "boots",
    ),
  );

const linuxTraces = () =>
  table(
    ["recording", "kernel", "made by", "events", "of which", "notes"],
    sidecarRows(
      namesIn("traces/", ".json").filter((name) => name.startsWith("dma-")),
      (_, sidecar) => [
        `\`${sidecar.file}\``,
        `${sidecar.kernel}, ${sidecar.architecture}`,
        sidecar.format,
        count(Object.values(sidecar.facts.event_counts).reduce((sum, times) => sum + times, 0)),
        shareOf(new Map(Object.entries(sidecar.facts.event_counts))),
        sidecar.note ?? "",
      ],
    ),
  );

const files = () =>
  table(
    ["file", "what it is in", "machine", "windows", "entries that are not zero"],
    JSON.parse(read("qemu-files/answers.json")).files.map(({ file, container, machine, tables }) => [
      `\`${file}\``,
      container.join(", "),
      machine ?? "before pseries-2.4",
      Object.keys(tables).join(", "),
      Object.values(tables).reduce((sum, { tces }) => sum + Object.keys(tces).length, 0),
    ]),
  );
/** trace.dat and perf.data, of which another program counted what is in them. */
function recordings() {
  const facts = JSON.parse(read("recordings/facts.json"));
  const rows = Object.entries(facts).map(([name, { made, records, kinds_of_text, compression }]) => [
    `\`${name}.gz\``,
    compression ?? "",
    shareOf(new Map(Object.entries(records ?? kinds_of_text ?? {}))),
    made,
  ]);
  return table(["recording", "compression", "of which", "notes"], rows);
}

const machines = () =>
  table(
    ["stream", "bytes unpacked", "TCE tables", "trace of the same run"],
    namesIn("migration/", ".mig.gz").map((name) => {
      const sidecarName = name.replace(/\.mig\.gz$/, ".json.gz");
      if (!namesIn("migration/", ".json.gz").includes(sidecarName))
        return [`\`${name}\``, "see README.md", "", ""];
      const sidecar = JSON.parse(read(`migration/${sidecarName}`));
      return [
        `\`${name}\``,
        count(sidecar.uncompressed_bytes),
        sidecar.spapr_iommu.map(({ liobn, mig_nb_table }) => `${liobn}: ${count(mig_nb_table)}`).join(", "),
        sidecar.trace === undefined || sidecar.trace === null ? "" : `\`${sidecar.trace}\``,
      ];
    }),
  );

const index = () =>
  `${[
    "# The recordings",
    "Written by `npm run index` from the recordings and their sidecars; do not edit. What each kind covers, and how it is compared, is in [docs/evidence.md](../../docs/evidence.md).",
    "## hcall: a bare-metal guest under QEMU",
    scripts("hcall"),
    "## vfio: system calls on a host",
    scripts("vfio"),
    "## kvm: in-kernel handlers of a host",
    scripts("kvm"),
    "## vfio-user: what QEMU's listener sends to devices",
    scripts("vfio-user"),
    "## traces: Linux guests, seen by QEMU",
    qemuTraces(),
    "## boots: Linux guests of other machines, seen by QEMU",
    boots(),
    "## traces: `dma:*` events of Linux",
    linuxTraces(),
    "## qemu-files: saved machines in files as people have them",
    "",
    files(),
    "",
    "## recordings: trace.dat and perf.data",
    recordings(),
    "## migration: saved machines",
    machines(),
  ].join("\n\n")}\n`;

const wanted = index();
if (process.argv.includes("--check")) {
  let there = "";
  try {
    there = readFileSync(INDEX, "utf8");
  } catch {
    // No index yet: it differs.
  }
  if (there !== wanted) {
    console.error("test/corpus/INDEX.md is not up to date: npm run index");
    process.exitCode = 1;
  }
} else {
  writeFileSync(INDEX, wanted);
}
