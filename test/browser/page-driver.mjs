/**
 * Serves the page that was built and drives it, by the names that its regions have.
 *
 * @module
 */

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";

const PAGE = path.resolve(import.meta.dirname, "../../dist/workbench/page");

export const WAIT_MS = 300_000;

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

/** Gives out the folder that the build made, and notes what else is asked for. */
export async function servePage() {
  const missing = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const file = path.join(PAGE, pathname === "/" ? "index.html" : decodeURIComponent(pathname));
    if (!file.startsWith(PAGE) || !existsSync(file) || !statSync(file).isFile()) {
      missing.push(pathname);
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": TYPES[path.extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, missing, end: () => server.close() };
}

/** A page that is watched: what it says to its console, what it throws, and where else it wants to. */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 720 },
    colorScheme: "light",
    reducedMotion: "reduce",
    ...options,
  });
  const page = await context.newPage();
  const trouble = [];
  page.on("console", (message) => trouble.push(`console ${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => trouble.push(`error: ${error.message}`));
  page.on("request", (request) => {
    const to = request.url();
    if (!to.startsWith(url) && !/^(?:blob|data):/.test(to)) trouble.push(`request: ${to}`);
  });
  const open = new Set();
  let sent = 0;
  page.on("request", (request) => {
    if (request.resourceType() === "eventsource") return;
    sent++;
    open.add(request);
  });
  for (const end of ["requestfinished", "requestfailed"]) page.on(end, (request) => open.delete(request));
  /** Waits until the page has all that it asked for, and asks for nothing more. */
  const hasAll = () => settled(async () => (open.size === 0 ? sent : [sent, open.size, performance.now()]));
  return { page, trouble, hasAll, close: () => context.close() };
}

export const region = (page, name) => page.getByRole("region", { name, exact: true });

/** Opens a file of some name and waits until all of it was read. */
export async function openFile(page, name, bytes) {
  await page.locator('input[type="file"]').first().setInputFiles({ name, mimeType: "", buffer: bytes });
  await region(page, "Files").locator(".file", { hasText: name }).waitFor({ timeout: WAIT_MS });
  await page.locator(`.file[aria-pressed="true"]:has-text("${name}")`).waitFor({ timeout: WAIT_MS });
  await page.waitForFunction(
    () => !/reading/.test(document.querySelector('.file[aria-pressed="true"]')?.textContent ?? "reading"),
    undefined,
    { timeout: WAIT_MS },
  );
}

/** Goes where an address says. */
export async function goTo(page, place) {
  await page.evaluate((hash) => {
    location.hash = hash;
  }, new URLSearchParams(place).toString());
}

/** What something says when it has said the same for a second. */
export async function settled(ask) {
  let [last, same] = [await ask(), 0];
  for (let i = 0; i < 200 && same < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    const next = await ask();
    same = JSON.stringify(next) === JSON.stringify(last) ? same + 1 : 0;
    last = next;
  }
  return last;
}
