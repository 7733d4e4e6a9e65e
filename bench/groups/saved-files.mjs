/**
 * Files as people have them: `check` of a log that is packed by gzip beside `zcat | wc -l`, and `info` of saved machines
 * in files of 64 GiB (sparse), as processes of their own.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { Machine, saveTables, writeMigration } from "../engine.mjs";
import { check, elapsedNs } from "../harness.mjs";

const CLI = fileURLToPath(new URL("../../dist/program/main.js", import.meta.url));
const LOG = new URL("../../test/corpus/traces/nvme-e1000-1g-linux61.log.gz", import.meta.url);
const GIB = 2 ** 30;
const HUGE = 64 * GIB;
/** Unpacked bytes of the log. */
const LOG_BYTES = GIB;

let folder;
const files = new Map();

/** A file that is written once, and removed at the end. */
function fileOf(name, write) {
  if (folder === undefined) {
    folder = mkdtempSync(join(tmpdir(), "spapr-iommu-files-"));
    process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  }
  if (!files.has(name)) {
    files.set(name, join(folder, name));
    write(join(folder, name));
  }
  return files.get(name);
}

/** A recorded log again and again, packed as one member. */
const log = () =>
  fileOf("qemu.log.gz", (path) => {
    const bytes = gunzipSync(readFileSync(LOG));
    writeFileSync(path, gzipSync(Buffer.concat(Array(Math.ceil(LOG_BYTES / bytes.length)).fill(bytes))));
  });

const u32 = (value) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
const u64 = (value) => [...u32(Math.floor(value / 2 ** 32)), ...u32(value % 2 ** 32)];
const name = (text) => [text.length, ...Buffer.from(text)];

/** A stream of windows alone, as one buffer. */
const stream = () =>
  Buffer.concat(
    [...writeMigration("pseries-11.1", saveTables(new Machine()))].map((piece) => Buffer.from(piece)),
  );

/** Writes pieces at their offsets; between them are holes. */
function writeSparse(path, pieces) {
  const file = openSync(path, "w");
  for (const [offset, bytes] of pieces) writeSync(file, Uint8Array.from(bytes), 0, bytes.length, offset);
  closeSync(file);
}

/** Memory of 64 GiB at places of its own, before the devices. */
const mapped = () =>
  fileOf("mapped.mig", (path) => {
    const plain = stream();
    const configuration = 8 + 5 + "pseries-11.1".length;
    const pages = 4 * 2 ** 20;
    const head = [
      ...plain.subarray(0, configuration),
      ...[5, ...name("configuration/capabilities"), ...u32(1), ...u32(1), ...name("mapped-ram")],
      ...[1, ...u32(1000), ...name("ram"), ...u32(0), ...u32(4)],
      ...[...u64(HUGE + 4), ...name("ppc_spapr.ram"), ...u64(HUGE)],
      ...[...u32(1), ...u64(4096), ...u64(4096), ...u64(pages)],
    ];
    const end = [...u64(0x10), 0x7e, ...u32(1000), ...plain.subarray(configuration)];
    writeSparse(path, [
      [0, head],
      [pages + HUGE, end],
    ]);
  });

/** A disk of 64 GiB, at whose end a machine is saved. */
const disk = () =>
  fileOf("disk.qcow2", (path) => {
    const state = stream();
    const cluster = 65_536;
    const span = cluster * (cluster / 8);
    const [table, l1, l2, data] = [1, 2, 3, 4].map((number) => HUGE + number * cluster);
    const clusters = Math.ceil(state.length / cluster);
    const first = HUGE / span;
    const entry = [
      ...[
        ...u64(l1),
        ...u32(first + 1),
        0,
        1,
        0,
        4,
        ...u32(1_700_000_000),
        ...u32(0),
        ...u64(0),
        ...u32(0),
        ...u32(16),
      ],
      ...[...u64(state.length), ...u64(HUGE), ...Buffer.from("1snap")],
    ];
    const header = [
      ...[
        ...Buffer.from("QFI"),
        0xfb,
        ...u32(3),
        ...u64(0),
        ...u32(0),
        ...u32(16),
        ...u64(HUGE),
        ...u32(0),
        ...u32(0),
      ],
      ...[
        ...u64(0),
        ...u64(0),
        ...u32(0),
        ...u32(1),
        ...u64(table),
        ...u64(0),
        ...u64(0),
        ...u64(0),
        ...u32(4),
        ...u32(104),
      ],
    ];
    writeSparse(path, [
      [0, header],
      [table, entry],
      [l1 + 8 * first, u64(l2)],
      [l2, Array.from({ length: clusters }, (_, number) => u64(data + number * cluster)).flat()],
      [data, state],
      [data + clusters * cluster - 1, [0]],
    ]);
  });

/** Milliseconds of a command. */
function run(command, args) {
  let result;
  const ns = elapsedNs(() => {
    result = spawnSync(command, args, { encoding: "utf8" });
  });
  check(result.status === 0 || result.status === 3, `${command} ${args.join(" ")}: ${result.stderr}`);
  return ns / 1e6;
}

const checkLog = () => run(process.execPath, [CLI, "check", "--quiet", log()]);
const countLines = () => run("sh", ["-c", `zcat '${log()}' | wc -l`]);

const opened = (what, file) => ({
  name: `saved-files-open-64-gib-${what}`,
  unit: "ms",
  better: "lower",
  target: "< 1000",
  setup: () => check(statSync(file()).size > HUGE, "the file is too short"),
  run: () => run(process.execPath, [CLI, "info", file()]),
});

export const benchmarks = [
  {
    name: "saved-files-zcat",
    unit: "ms",
    better: "lower",
    target: "for comparison: zcat | wc -l of a QEMU log of 1 GiB",
    run: countLines,
    rounds: 3,
    warmups: 1,
  },
  {
    name: "saved-files-check-gzip-over-zcat",
    unit: "times zcat, beside 100 ms",
    better: "lower",
    target: "<= 1.15",
    run: () => (checkLog() - 100) / countLines(),
    rounds: 3,
    warmups: 0,
  },
  opened("mapped-ram", mapped),
  opened("qcow2", disk),
];
