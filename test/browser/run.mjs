// Bundles the engine, runs it in a worker of headless Chromium, and compares with Node; then drives the workbench.
//
//   npm run test:browser        CHROMIUM=/path/to/chromium for another browser
//
// Prints `N passed, N failed`; exit status 1 if any check failed.

import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import { build } from "vite";
import { checkReport } from "./report.mjs";
import { checkServed } from "./served.mjs";
import { checkWorkbench } from "./workbench.mjs";

const root = path.resolve(import.meta.dirname, "../..");
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const corpus = path.join(root, "test/corpus/hcall");

const recordings = Object.fromEntries(
  readdirSync(corpus)
    .filter((name) => /^(?:crash|dma|ddw|hcall|huge|host)/.test(name))
    .map((name) => [name, gunzipSync(readFileSync(path.join(corpus, name))).toString()]),
);
const known = readFileSync(path.join(root, "known-differences/hcall.json"), "utf8");

const [bundle] = await build({
  root,
  configFile: false,
  logLevel: "silent",
  build: {
    write: false,
    target: "es2022",
    lib: { entry: path.join(root, "test/browser/engine-check.ts"), formats: ["es"], fileName: "engine" },
  },
});
const engine = bundle.output[0].code;
const worker = `import { checkEngine } from "./engine.js";
onmessage = async ({ data }) => {
  try { postMessage({ result: await checkEngine(data.recordings, data.known) }); }
  catch (error) { postMessage({ error: String(error.stack ?? error) }); }
};`;

// What the same code says in Node.
const inNode = await import(`data:text/javascript;base64,${Buffer.from(engine).toString("base64")}`);
const expected = await inNode.checkEngine(recordings, known);

const pages = {
  "/": ["text/html", "<!doctype html><title>engine</title>"],
  "/engine.js": ["text/javascript", engine],
  "/worker.js": ["text/javascript", worker],
};
const server = createServer((request, response) => {
  const page = pages[request.url];
  response.writeHead(page ? 200 : 404, { "content-type": page?.[0] ?? "text/plain" });
  response.end(page?.[1] ?? "");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

let passed = 0;
let failed = 0;
const check = (name, ok, detail = "") => {
  if (ok) passed++;
  else failed++;
  console.log(`${ok ? "ok    " : "FAILED"} ${name}${ok ? "" : ` ${detail}`}`);
};
const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
try {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const answer = await page.evaluate(
    (data) =>
      new Promise((resolve) => {
        const thread = new Worker("/worker.js", { type: "module" });
        thread.onmessage = ({ data: message }) => resolve(message);
        thread.onerror = (event) => resolve({ error: event.message });
        thread.postMessage(data);
      }),
    { recordings, known },
  );
  check("the engine runs in a worker", answer.error === undefined, answer.error);
  for (const name of Object.keys(recordings)) {
    const here = JSON.stringify(expected.verdicts[name]);
    const there = JSON.stringify(answer.result?.verdicts[name]);
    check(
      `${name}: as in Node, nothing different`,
      here === there && !here.includes("different"),
      `${there}, in Node ${here}`,
    );
  }
  for (const { name, ok } of answer.result?.checks ?? []) check(`huge-window: ${name}`, ok);
  check("the page has no errors", errors.length === 0, errors.join("; "));
  await checkWorkbench(browser, check);
  await checkServed(browser, check);
  await checkReport(browser, check);
} finally {
  await browser.close();
  server.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
