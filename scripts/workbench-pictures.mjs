/**
 * `npm run pictures`: takes the pictures of docs/workbench.md, of recordings that lie beside the page; `node
 * scripts/workbench-pictures.mjs NAME...` those of them.
 *
 * @module
 */

import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";
import { startMonitor } from "../bench/fake-monitor.mjs";
import { goTo, openFile, openPage, servePage } from "../test/browser/page-driver.mjs";
import { startUi, trace } from "../test/browser/served.mjs";
import { animatedPng, framesOf } from "./animated-png.mjs";

const CORPUS = path.resolve(import.meta.dirname, "../test/corpus");
const FOLDER = path.resolve(import.meta.dirname, "../docs/workbench");

/** What each picture shows: where the page is, in which colours, of which region, if not of all, and when it is there. */
const PICTURES = [
  {
    name: "whole-light",
    hash: "example=planted.txt.gz&finding=1&at=12&space=0000:00:04.0&time=0,0.06&mark=5",
  },
  {
    name: "whole-dark",
    hash: "example=stray-dma.log.gz&finding=0&at=1375&space=0x80000000",
    colorScheme: "dark",
  },
  { name: "first", hash: "", region: "Files", height: 1000 },
  { name: "findings", hash: "example=planted.txt.gz&finding=2&at=14&space=0000:00:04.0", region: "Findings" },
  { name: "time", hash: "example=rebind-hotplug.log.gz&at=9000&space=0x80000000", region: "Time" },
  { name: "lifetimes", hash: "example=planted.txt.gz&space=0000:00:04.0&time=4.3,4.47", region: "Lifetimes" },
  { name: "address", hash: "example=boot.log.gz&at=9000&space=0x80000000", region: "Address" },
  {
    name: "search",
    hash: "example=planted.txt.gz&at=12&space=0000:00:04.0",
    ready: async (page) => {
      await page.locator(".rows tbody tr, .rows .empty").first().waitFor();
      await page.keyboard.press("/");
      await page.getByRole("dialog", { name: "Search" }).getByRole("textbox").fill("0x180000");
      await page.locator(".hit").first().waitFor();
    },
  },
  {
    name: "compare",
    hash: "example=saved.mig.gz",
    ready: async (page) => {
      const run = "tracing-switched-on-in-a-running-guest-linux61";
      for (const [folder, name] of [
        ["migration", `${run}--midrun.mig.gz`],
        ["traces", `${run}.log.gz`],
      ])
        await openFile(page, name, readFileSync(path.join(CORPUS, folder, name)));
      const selection = page.getByRole("region", { name: "Selection", exact: true });
      await selection.getByLabel("Compare with").selectOption({ label: `${run}--midrun.mig.gz` });
      await selection.getByRole("status").waitFor();
    },
  },
  { name: "structure", hash: "example=stray-dma.log.gz", region: "Structure" },
  {
    name: "selection",
    hash: "example=never-unmapped.log.gz&space=0x80000000&mark=100&sel=100,2000,0,64",
    region: "Selection",
  },
  {
    name: "script",
    hash: "view=script&device=1",
    ready: async (page) => {
      await page.getByLabel("a script to begin with").selectOption({ label: "What is refused, and why" });
      await page.locator(".step").nth(6).waitFor();
    },
  },
  {
    name: "replay",
    hash: "view=replay&case=new-window&on=tcg&at=48",
    ready: (page) => page.locator(".act").first().waitFor(),
  },
  {
    name: "tour",
    hash: "view=tours",
    ready: async (page) => {
      await page.getByRole("button", { name: /Find this leak/ }).click();
      await page.locator('.tour[data-step="1"]').waitFor();
      await page.keyboard.press("p");
      await page.locator('.tour[data-step="2"]').waitFor();
    },
  },
];

/** A recording that is written again, as QEMU wrote it, while the page follows. */
async function takeLive(browser) {
  const folder = mkdtempSync(path.join(tmpdir(), "live-"));
  const [socket, log] = [path.join(folder, "qmp.sock"), path.join(folder, "qemu.log")];
  writeFileSync(log, "");
  const endMonitor = await startMonitor(socket);
  const ui = await startUi(["--qmp", socket, "--log", log, "--base", "none", "--refresh", "100"]);
  try {
    const { page, close } = await openPage(browser, ui.url);
    await page.goto(ui.url);
    await page.locator(".badge.is-live").waitFor();
    const lines = trace("faults-stray-dma-e1000-nvme-linux61.log.gz").toString().split("\n");
    for (let at = 0; at < lines.length; at += 20) {
      appendFileSync(log, `${lines.slice(at, at + 20).join("\n")}\n`);
      await page.waitForTimeout(100);
    }
    await page.getByText("dma-fault").waitFor();
    await page.locator(".live-page").screenshot({ path: path.join(FOLDER, "live.png") });
    await close();
  } finally {
    await ui.end();
    endMonitor();
    rmSync(folder, { recursive: true });
  }
  console.log("live");
}

/** The playhead travels through a recording of stray DMA, up to what is wrong. */
async function takeTravel(browser, url) {
  const { page, close } = await openPage(browser, url, { deviceScaleFactor: 0.75 });
  const place = { example: "stray-dma.log.gz", space: "0x80000000" };
  const moments = [0, 640, 720, 800, 900, 1150, 1250].map((at) => ({ at }));
  const steps = [...moments, { at: 1464, finding: 0 }];
  const pictures = [];
  await page.goto(`${url}#${new URLSearchParams({ ...place, at: "0" })}`);
  await isRead(page);
  for (const step of steps) {
    await goTo(page, { ...place, ...step });
    await page.waitForTimeout(700);
    const milliseconds = "finding" in step ? 4000 : 600;
    pictures.push({ png: await page.screenshot(), milliseconds });
  }
  writeFileSync(path.join(FOLDER, "travel.png"), animatedPng(await framesOf(page, pictures)));
  await close();
  console.log("travel");
}

/** All of a recording is there, and its table. */
async function isRead(page) {
  await page.waitForFunction(() => /events?$/.test(document.querySelector(".file")?.innerText ?? ""));
  await page.locator(".rows tbody tr, .rows .empty").first().waitFor();
}

const named = process.argv.slice(2);
mkdirSync(FOLDER, { recursive: true });
const server = await servePage();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
try {
  if (named.length === 0 || named.includes("live")) await takeLive(browser);
  if (named.length === 0 || named.includes("travel")) await takeTravel(browser, server.url);
  for (const { name, hash, region, colorScheme = "light", height = 720, ready = isRead } of PICTURES) {
    if (named.length > 0 && !named.includes(name)) continue;
    const { page, close } = await openPage(browser, server.url, {
      colorScheme,
      viewport: { width: 1280, height },
    });
    await page.goto(`${server.url}${hash === "" ? "" : `#${hash}`}`);
    if (hash !== "") {
      await ready(page);
      await page.waitForTimeout(1500);
    }
    const what = region === undefined ? page : page.getByRole("region", { name: region, exact: true });
    await what.screenshot({ path: path.join(FOLDER, `${name}.png`) });
    await close();
    console.log(name);
  }
} finally {
  await browser.close();
  server.end();
}
