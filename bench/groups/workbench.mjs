/**
 * The workbench: what the worker's part costs beside `check`, in Node, and, where there is a Chromium, what somebody has
 * who drops a log of ten million events onto the page.
 *
 * Times of processors are of all threads; memory and processors of the page are those of all processes of the browser.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { Random } from "../../dist/base/random.js";
import { check } from "../harness.mjs";
import { CHROMIUM, WorkbenchPage } from "../workbench-page.mjs";

const EVENTS = 10_000_000;
const CLI = fileURLToPath(new URL("../../dist/program/main.js", import.meta.url));
const DESK = fileURLToPath(new URL("../workbench-desk.mjs", import.meta.url));
const LOG = new URL("../../test/corpus/traces/net-load-disable-ddw-e1000-linux61.log.gz", import.meta.url);
const ONE_ROUND = { better: "lower", rounds: 1, warmups: 0 };
/** Moments that the playhead is moved to, and frames that are looked at. */
const MOMENTS = 100;
const FRAMES = 200;
const HUGE_MAPPINGS = 2 ** 20;
/** Times that it is drawn at each level. */
const HUGE_ROUNDS = 3;
/** A window of 128 TiB with pages of 64 KiB. */
const HUGE_ENTRIES = 2 ** 31;

/** The value that so large a part of the values is at most. */
const quantile = (values, part) => values.toSorted((a, b) => a - b)[Math.ceil(values.length * part) - 1];
const slow = (values) => quantile(values, 0.95);

let directory;
/** A file in a folder that goes when the bench ends. */
function fileOf(name, write) {
  if (directory === undefined) {
    directory = mkdtempSync(join(tmpdir(), "spapr-iommu-bench-"));
    process.once("exit", () => rmSync(directory, { recursive: true }));
  }
  const path = join(directory, name);
  if (existsSync(path)) return path;
  const file = openSync(path, "w");
  write((bytes) => writeSync(file, bytes));
  closeSync(file);
  return path;
}

/** The largest recording again and again. */
const longLog = () =>
  fileOf("long.log", (write) => {
    const bytes = gunzipSync(readFileSync(LOG));
    let lines = 0;
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines++;
    for (let events = 0; events < EVENTS; events += lines) write(bytes);
  });

/** A window of 128 TiB in which many single pages are mapped, all over it. */
const hugeLog = () =>
  fileOf("huge.log", (write) => {
    const liobn = "liobn=0x80000001";
    const buid = "buid=0x800000020000000";
    write(
      `spapr_iommu_ddw_create ${buid} addr=0x0, page size=0x10000, requested=0x800000000000, start addr=0x800000000000000, ${liobn}\n`,
    );
    write(`spapr_iommu_new_table ${liobn} table=(nil) fd=-1\n`);
    const random = new Random(2);
    const apart = HUGE_ENTRIES / HUGE_MAPPINGS;
    for (let i = 0; i < HUGE_MAPPINGS; ) {
      let text = "";
      for (const end = i + 2 ** 14; i < end; i++) {
        const ioba = (0x800000000000000n + BigInt(i * apart + random.below(apart)) * 0x10000n).toString(16);
        text += `spapr_iommu_pci_put ${liobn} ioba=0x${ioba} tce=0x${random.below(2 ** 16).toString(16)}0003 ret=0\n`;
      }
      write(text);
    }
  });

/** Seconds that a process takes for its work, its start included: of the processor, and by the wall. */
function timesOf(args) {
  const tell =
    "process.on('exit', () => { const { user, system } = process.cpuUsage(); console.error((user + system) / 1e6); })";
  const began = performance.now();
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(tell)}`, ...args],
    { encoding: "utf8" },
  );
  check(status === 0, `${args.join(" ")}: ${stderr}`);
  const wall = (performance.now() - began) / 1000;
  return { cpu: Number(stderr.trim().split("\n").at(-1)), wall };
}

const secondsOf = (args) => timesOf(args).cpu;

/** A function of which the result is kept. */
const once = (make) => {
  let made;
  return () => {
    made ??= make();
    return made;
  };
};

/** The page with the long log, and what opening it took. */
const long = once(async () => {
  const path = longLog();
  const page = await WorkbenchPage.open();
  const times = timesOf([CLI, "check", "-q", path]);
  const opened = await page.openFile(path);
  return { page, opened, check: times };
});

/** How many times the processor time of `check` the opening took, of all or of some threads. */
const overCheck = (part) => async () => {
  const { opened, check: times } = await long();
  return opened[part] / times.cpu;
};

const frames = once(async () => {
  const { page } = await long();
  return await page.withCpu(() => page.framesOf("wdas", FRAMES));
});

const jumps = once(async () => {
  const { page } = await long();
  const random = new Random(1);
  const moments = Array.from({ length: MOMENTS }, () => random.below(EVENTS));
  return await page.withCpu(() => page.jumpTo(moments));
});

const huge = once(async () => {
  const { page } = await long();
  await page.close();
  const other = await WorkbenchPage.open();
  await other.openFile(hugeLog());
  const { result: times, cpu } = await other.withCpu(() =>
    other.drawingOf(async () => {
      for (let i = 0; i < HUGE_ROUNDS; i++)
        for (let shift = 21; shift >= 0; shift--) await other.goTo({ heat: `0,${shift}` });
    }),
  );
  await other.close();
  return { times, cpu };
});

const inNode = [
  {
    ...ONE_ROUND,
    name: "workbench-desk-over-check",
    unit: "times",
    target: "<= 1.5",
    setup: longLog,
    run: (path) => secondsOf([DESK, "desk", path]) / secondsOf([DESK, "check", path]),
  },
];

const inPage = [
  ["first-visit", "KiB", "< 150, packed, before the worker", async () => (await long()).page.firstVisit],
  ["open", "s", "<= 15, 10 million events", async () => (await long()).opened.seconds],
  [
    "open-wall-over-check",
    "times",
    "<= 1.5, by the wall",
    async () => {
      const { opened, check: times } = await long();
      return opened.seconds / times.wall;
    },
  ],
  ["open-over-check", "times", "<= 1.5, of all processes", overCheck("cpu")],
  ["open-worker-over-check", "times", "of that the worker, which reads and checks", overCheck("workerCpu")],
  ["open-page-over-check", "times", "of that the page's own thread, which draws", overCheck("pageCpu")],
  ["open-memory", "MiB", "<= 1,536", async () => (await long()).opened.memory],
  ["first-picture", "s", "< 1", async () => (await long()).opened.firstPicture],
  ["frames-95", "ms", "< 20", async () => slow((await frames()).result)],
  [
    "frames-95-nothing",
    "ms",
    "a page beside it that only fills a canvas: what the machine leaves",
    async () => slow(await (await long()).page.framesOfNothing(FRAMES)),
  ],
  [
    "frame-cpu",
    "ms",
    "a frame, of the page's own thread",
    async () => ((await frames()).cpu * 1000) / FRAMES,
  ],
  ["playhead-95", "ms", "< 50", async () => slow((await jumps()).result)],
  ["playhead-50", "ms", "the median of the moves", async () => quantile((await jumps()).result, 0.5)],
  [
    "playhead-95-nothing",
    "ms",
    "an empty worker beside it answers: what the machine leaves",
    async () => slow(await (await long()).page.answersOfNothing(MOMENTS)),
  ],
  [
    "playhead-cpu",
    "ms",
    "a move, of the page's own thread",
    async () => ((await jumps()).cpu * 1000) / MOMENTS,
  ],
  ["128-tib-frame", "ms", "< 16.7, 2^20 mappings", async () => slow((await huge()).times)],
  [
    "128-tib-cpu",
    "ms",
    "a view, of the page's own thread",
    async () => ((await huge()).cpu * 1000) / (await huge()).times.length,
  ],
].map(([name, unit, target, run]) => ({ ...ONE_ROUND, name: `workbench-${name}`, unit, target, run }));

const hasPage = existsSync(CHROMIUM);
if (!hasPage) console.error(`workbench: the worker's part alone, as there is no ${CHROMIUM} (CHROMIUM=...)`);

export const benchmarks = [...inNode, ...(hasPage ? inPage : [])];
