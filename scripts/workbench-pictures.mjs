/**
 * `npm run pictures`: takes the pictures of docs/workbench.md, of recordings that lie beside the page; `node
 * scripts/workbench-pictures.mjs NAME...` those of them.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";
import { openPage, servePage } from "../test/browser/workbench.mjs";

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
  { name: "address", hash: "example=saved.mig.gz&space=0x80000000&heat=0,3", region: "Address" },
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

/** All of a recording is there, and its table. */
async function isRead(page) {
  await page.waitForFunction(() => /events$/.test(document.querySelector(".file")?.innerText ?? ""));
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
