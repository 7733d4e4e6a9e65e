/**
 * The page as `spapr-iommu ui` serves it, in headless Chromium: files that are named, and a running QEMU.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { startMonitor } from "../../bench/fake-monitor.mjs";
import { checkTrace } from "../../dist/check/index.js";
import { openPage, region, WAIT_MS } from "./page-driver.mjs";
import { hasNoViolation } from "./workbench.mjs";

const ROOT = path.resolve(import.meta.dirname, "../..");

const TRACES = path.join(ROOT, "test/corpus/traces");

export const trace = (name) => gunzipSync(readFileSync(path.join(TRACES, name)));

/** Starts `spapr-iommu ui`, and waits for its line. */
export async function startUi(args) {
  const child = spawn(process.execPath, [path.join(ROOT, "dist/cli/main.js"), "ui", "--no-open", ...args]);
  let [stdout, stderr] = ["", ""];
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise((resolve) => child.on("close", resolve));
  const first = new Promise((resolve) => {
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
      if (stdout.includes("\n")) resolve();
    });
  });
  await Promise.race([first, ended]);
  return {
    url: stdout.trim(),
    printed: () => stdout,
    said: () => stderr,
    ended,
    /** Its exit status. */
    end: (signal = "SIGINT") => {
      child.kill(signal);
      return ended;
    },
  };
}

/** Waits until so many files are read. */
const filesRead = (page, count) =>
  page.waitForFunction(
    (wanted) =>
      [...document.querySelectorAll(".file .dim")].filter(({ textContent }) => / events?$/.test(textContent))
        .length === wanted,
    count,
    { timeout: WAIT_MS },
  );

async function servesFiles(browser, folder, check) {
  const markup = "<img src=x onerror=alert(1)>.log";
  const names = ["a.log", "b.log.gz", markup].map((name) => path.join(folder, name));
  const text = trace("faults-stray-dma-e1000-nvme-linux61.log.gz");
  writeFileSync(names[0], text);
  writeFileSync(names[1], readFileSync(path.join(TRACES, "lsi-that-times-out-linux612.log.gz")));
  writeFileSync(names[2], text);
  const mig = path.join(ROOT, "test/corpus/migration/pgsz-256m-linux61--pgsz-256m.mig.gz");
  // Of this its end is read first.
  const perf = path.join(folder, "perf.data");
  writeFileSync(perf, gunzipSync(readFileSync(path.join(ROOT, "test/corpus/recordings/72-perf.data.gz"))));
  const ui = await startUi([...names, mig, perf]);
  check(
    "ui prints an address, and nothing else",
    /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/\n$/.test(ui.printed()),
  );
  const { page, trouble, close } = await openPage(browser, ui.url);
  await page.goto(ui.url);
  await filesRead(page, 5);
  const { findings } = await checkTrace(text, { name: names[0] });
  const shown = await region(page, "Findings").locator(".finding").count();
  check("a file that was named is read at once", shown === findings.length, `${shown} findings`);
  const listed = await page.locator(".file strong").allInnerTexts();
  check(
    "files are called as they were named",
    JSON.stringify(listed.slice(0, 3)) === JSON.stringify(names),
    listed.join(" "),
  );
  check("the name of a file is text", (await page.locator(".app img").count()) === 0);
  // The last line of the file, which the worker reads as a part of it.
  const lines = text.toString().split("\n");
  const event = lines.findLastIndex((line) => line.includes("spapr_iommu"));
  await page.locator(`.text .line-number:text-is("${event + 1}")`).waitFor({ timeout: WAIT_MS });
  const address = page.url();
  await page.keyboard.press("n");
  await page.waitForFunction(() => location.hash.includes("finding=0"));
  await page.reload();
  await filesRead(page, 5);
  await page.locator('.finding[aria-current="true"]').waitFor({ timeout: WAIT_MS });
  check("a reload comes back to what was shown", page.url() !== address);
  check(
    "ui of files leaves the console silent, and asks for nothing of others",
    trouble.length === 0,
    trouble.join("; "),
  );
  await close();
  check("Ctrl-C ends it with 0", (await ui.end()) === 0, ui.said());
  const again = await startUi([names[0]]);
  check("SIGTERM does, too", (await again.end("SIGTERM")) === 0, again.said());
  const bad = await startUi([path.join(folder, "none.log")]);
  check(
    "a file that is not there is an error, and no address",
    (await bad.ended) === 1 && bad.url === "",
    bad.said(),
  );
}

async function followsLive(browser, folder, check) {
  const socket = path.join(folder, "qmp.sock");
  const log = path.join(folder, "qemu.log");
  writeFileSync(log, "");
  let greet;
  const endMonitor = await startMonitor(
    socket,
    new Promise((resolve) => {
      greet = resolve;
    }),
  );
  const ui = await startUi(["--qmp", socket, "--log", log, "--base", "none", "--refresh", "50"]);
  const { page, trouble, hasAll, close } = await openPage(browser, ui.url);
  await page.goto(ui.url);
  await page.locator(".badge.is-attaching").waitFor({ timeout: WAIT_MS });
  check("a page does not say that it follows a QEMU that did not answer yet", true);
  greet();
  await page.locator(".badge.is-live").waitFor({ timeout: WAIT_MS });
  const text = trace("faults-stray-dma-e1000-nvme-linux61.log.gz").toString();
  const middle = text.indexOf("\n", text.length / 2) + 1;
  appendFileSync(log, text.slice(0, middle));
  await region(page, "Structure").getByText("0x80000001").waitFor({ timeout: WAIT_MS });
  check("a page follows what QEMU does", true);
  await page.getByRole("button", { name: "pause" }).click();
  const held = await page.locator(".live-state").innerText();
  appendFileSync(log, text.slice(middle));
  const late = await openPage(browser, ui.url);
  await late.page.goto(ui.url);
  await region(late.page, "Findings").getByText("dma-fault").waitFor({ timeout: WAIT_MS });
  const rows = await region(late.page, "Findings").locator("tbody tr").count();
  const { findings } = await checkTrace(text, { name: log });
  check("who comes late sees all that was found", rows === findings.length, `${rows} rows`);
  check("a page that is paused stays as it is", (await page.locator(".live-state").innerText()) === held);
  await page.getByRole("button", { name: "pause" }).click();
  await region(page, "Findings").getByText("dma-fault").waitFor({ timeout: WAIT_MS });
  for (const colorScheme of ["light", "dark"]) {
    await late.page.emulateMedia({ colorScheme });
    await hasNoViolation(late.page, check, `a running QEMU, ${colorScheme}`);
  }
  await page.getByRole("button", { name: "open the log as it is now" }).click();
  await filesRead(page, 1);
  const shown = await region(page, "Findings").locator(".finding").count();
  check("the log so far opens as a file", shown === findings.length, `${shown} findings`);
  // Afterwards no line of the log can be read any more.
  await hasAll();
  const status = await ui.end();
  check("it ends with the status of attach", status === 2, `${status} ${ui.said()}`);
  await late.page.locator(".badge.is-ended").waitFor({ timeout: WAIT_MS });
  check("a page says that it ended", true);
  const all = [...trouble, ...late.trouble];
  check("a running QEMU leaves the console silent", all.length === 0, all.join("; "));
  await close();
  await late.close();
  endMonitor();
  const alone = await startUi(["--qmp", path.join(folder, "none.sock")]);
  check("a QEMU that cannot be followed is an error", (await alone.ended) === 1, alone.said());
}

/** All checks of the page that is served. */
export async function checkServed(browser, check) {
  const folder = mkdtempSync(path.join(tmpdir(), "served-"));
  try {
    for (const part of [servesFiles, followsLive])
      await part(browser, folder, check).catch((error) => check(part.name, false, error.message));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
