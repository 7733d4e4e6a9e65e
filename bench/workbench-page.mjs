/**
 * The workbench in Chromium, as somebody who uses it has it: what opening a file takes, and what looking at it then takes.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import { openPage, servePage } from "../test/browser/workbench.mjs";
import { check } from "./harness.mjs";

export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

const PAGE = fileURLToPath(new URL("../dist/workbench/page/", import.meta.url));
const WAIT_MS = 300_000;
/** Milliseconds between two looks at the memory of the page's processes. */
const LOOK_MS = 1000;
/** Clock ticks a second of /proc, on all Linux machines that people have. */
const TICKS = 100;

/** In the page, before it begins: notes what goes to the worker and what comes back. */
function watchWorker() {
  const seen = { asked: 0, answered: 0, opened: 0, drawn: 0, read: 0, quiet: 0, cells: 0, cellsDrawn: [] };
  globalThis.seen = seen;
  const now = () => performance.now();
  /** Calls back when the next frame has been made. */
  const afterFrame = (done) =>
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = done;
      port2.postMessage(null);
    });
  const calls = new Map();
  const Real = globalThis.Worker;
  globalThis.Worker = class extends Real {
    constructor(...parameters) {
      super(...parameters);
      this.addEventListener("message", ({ data }) => {
        if (data.what === "read" && data.isDone) seen.read = now();
        if (data.what !== "answer" && data.what !== "failed") return;
        seen.answered++;
        seen.quiet = now();
        const call = calls.get(data.id);
        calls.delete(data.id);
        const isPicture = call?.includes("lanes") && data.value?.counts.some((count) => count > 0);
        if (isPicture && seen.drawn === 0) {
          afterFrame(() => {
            seen.drawn ||= now();
          });
        }
        if (!call?.includes("cells")) return;
        // Waiting for the next frame is no work: what counts is taking the answer, and then the frame.
        const came = now();
        let [taken, began] = [0, 0];
        const take = () => {
          taken ||= now() - came;
        };
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = take;
        port2.postMessage(null);
        requestAnimationFrame(() => {
          take();
          began = now();
        });
        afterFrame(() => seen.cellsDrawn.push(taken + now() - began));
      });
    }

    postMessage(message, ...rest) {
      if (message.call === "open") seen.opened = now();
      seen.asked++;
      calls.set(message.id, message.asks?.map(({ call }) => call) ?? [message.call]);
      super.postMessage(message, ...rest);
    }
  };
}

/** The processes of a browser. */
function processesOf(root) {
  const parents = new Map();
  for (const name of readdirSync("/proc").filter((one) => /^\d+$/.test(one))) {
    const stat = readOrNothing(`/proc/${name}/stat`);
    if (stat !== "") parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
  }
  const isOurs = (process) => process === root || (parents.has(process) && isOurs(parents.get(process)));
  return [...parents.keys()].filter(isOurs);
}

function readOrNothing(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // It ended meanwhile.
    return "";
  }
}

/** MiB of all processes; what several share counts once. */
const memoryOf = (root) =>
  processesOf(root).reduce((sum, process) => {
    const [, kib = 0] = /^Pss: +(\d+)/m.exec(readOrNothing(`/proc/${process}/smaps_rollup`)) ?? [];
    return sum + Number(kib) / 1024;
  }, 0);

/** Seconds of the processor that a process or a thread has taken. */
function cpuIn(folder) {
  const stat = readOrNothing(`${folder}/stat`);
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13);
  return (Number(user) + Number(system)) / TICKS;
}

/** The same of all processes of a browser. */
const cpuOf = (root) => processesOf(root).reduce((sum, process) => sum + cpuIn(`/proc/${process}`), 0);

const renderersOf = (root) =>
  processesOf(root).filter((one) => readOrNothing(`/proc/${one}/cmdline`).includes("--type=renderer"));

/** The same of what draws the page and answers its keys: the first thread of the page's process. */
const mainThreadOf = (root) => Math.max(...renderersOf(root).map((one) => cpuIn(`/proc/${one}/task/${one}`)));

/** The same of the page's workers. */
const workersOf = (root) =>
  renderersOf(root)
    .flatMap((one) => readdirSync(`/proc/${one}/task`).map((thread) => `/proc/${one}/task/${thread}`))
    .filter((folder) => readOrNothing(`${folder}/comm`).startsWith("DedicatedWorker"))
    .reduce((sum, folder) => sum + cpuIn(folder), 0);

/**
 * In a page: the milliseconds between frames, in each of which a key is pressed, or, without keys, the canvas is filled.
 *
 * @param {{ keys?: readonly string[], frames: number }} how
 */
const timesOfFrames = ({ keys, frames }) =>
  new Promise((resolve) => {
    const context =
      keys === undefined ? document.querySelector("canvas").getContext("2d", { alpha: false }) : undefined;
    const times = [];
    const step = (time) => {
      times.push(time);
      if (times.length > frames) {
        resolve(times.slice(1).map((one, i) => one - times[i]));
        return;
      }
      if (keys === undefined) {
        context.fillStyle = times.length % 2 === 0 ? "#eee" : "#ddd";
        context.fillRect(0, 0, context.canvas.width, context.canvas.height);
      } else {
        const key = keys[times.length % keys.length];
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });

/** A browser with a page that was just visited. */
export class WorkbenchPage {
  #browser;
  #server;
  #root;
  page;
  /** KiB that a first visit loads before the worker is asked for, packed by gzip. */
  firstVisit = 0;

  static async open() {
    const self = new WorkbenchPage();
    self.#server = await servePage();
    self.#browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ["--no-sandbox", "--disable-gpu"],
    });
    const mine = processesOf(process.pid).filter((one) => one !== process.pid);
    self.#root = mine.find((one) => readOrNothing(`/proc/${one}/cmdline`).includes("--remote-debugging"));
    check(self.#root !== undefined, "the browser has no process");
    const { page, trouble } = await openPage(self.#browser, self.#server.url);
    self.page = page;
    self.trouble = trouble;
    const loaded = [];
    page.on("request", (request) => loaded.push(new URL(request.url()).pathname.slice(1) || "index.html"));
    await page.addInitScript(watchWorker);
    await page.goto(self.#server.url);
    await page.locator('input[type="file"]').first().waitFor({ state: "attached" });
    const worker = loaded.findIndex((name) => name.includes("worker"));
    check(worker > 0, "the page starts no worker");
    self.firstVisit = loaded
      .slice(0, worker)
      .reduce((sum, name) => sum + gzipSync(readFileSync(path.join(PAGE, name))).length / 1024, 0);
    return self;
  }

  async close() {
    await this.#browser.close();
    this.#server.end();
  }

  /**
   * Opens a file: seconds to the first picture and to all of them, MiB at most, and seconds of the processor: of all, of the workers, and of
   * the page's own thread.
   */
  async openFile(file) {
    const spent = () => [cpuOf, workersOf, mainThreadOf].map((of) => of(this.#root));
    const before = spent();
    let memory = 0;
    const timer = setInterval(() => {
      memory = Math.max(memory, memoryOf(this.#root));
    }, LOOK_MS);
    await this.page.locator('input[type="file"]').first().setInputFiles(file);
    await this.page.waitForFunction(
      () => {
        const { read, asked, answered, quiet } = globalThis.seen;
        // All was read, and nobody has asked for half a second.
        return read > 0 && asked === answered && performance.now() - Math.max(read, quiet) > 500;
      },
      undefined,
      { timeout: WAIT_MS, polling: 100 },
    );
    clearInterval(timer);
    const seen = await this.page.evaluate(() => globalThis.seen);
    check(this.trouble.length === 0, this.trouble.join("; "));
    const [cpu, workerCpu, pageCpu] = spent().map((now, i) => now - before[i]);
    return {
      seconds: (Math.max(seen.read, seen.quiet) - seen.opened) / 1000,
      firstPicture: (seen.drawn - seen.opened) / 1000,
      memory: Math.max(memory, memoryOf(this.#root)),
      cpu,
      workerCpu,
      pageCpu,
    };
  }

  /** Presses keys, one a frame: the milliseconds between frames. */
  async framesOf(keys, frames) {
    return await this.page.evaluate(timesOfFrames, { keys, frames });
  }

  /**
   * Milliseconds between the frames of a page, beside this one, that does nothing but fill a canvas as wide and as high as the pictures: no
   * page has more frames here.
   */
  async framesOfNothing(frames) {
    const page = await this.#browser.newPage({ viewport: this.page.viewportSize() });
    await page.setContent('<canvas width="980" height="150"></canvas>');
    const times = await page.evaluate(timesOfFrames, { frames });
    await page.close();
    return times;
  }

  /** Milliseconds for an empty worker beside this page to answer: no page can move its playhead faster here. */
  async answersOfNothing(count) {
    const page = await this.#browser.newPage();
    const times = await page.evaluate(async (all) => {
      const url = URL.createObjectURL(new Blob(["onmessage = ({ data }) => postMessage(data);"]));
      const worker = new Worker(url);
      const answer = (i) =>
        new Promise((resolve) => {
          worker.onmessage = resolve;
          worker.postMessage(i);
        });
      const times = [];
      await answer(-1);
      for (let i = 0; i < all; i++) {
        const start = performance.now();
        await answer(i);
        times.push(performance.now() - start);
        await new Promise(requestAnimationFrame);
      }
      return times;
    }, count);
    await page.close();
    return times;
  }

  /** Moves the playhead to events: milliseconds until the table of the heat map is of each. */
  async jumpTo(events) {
    return await this.page.evaluate(async (all) => {
      const isShown = (event) =>
        document.querySelector('[data-region="Address"] table[data-event]')?.dataset.event === String(event);
      const times = [];
      for (const event of all) {
        const parts = new URLSearchParams(location.hash.slice(1));
        parts.set("at", String(event));
        const start = performance.now();
        location.hash = parts.toString();
        await new Promise((resolve, reject) => {
          const timer = setTimeout(() => reject(new Error(`event ${event} is not shown`)), 10_000);
          const observer = new MutationObserver(() => {
            if (!isShown(event)) return;
            clearTimeout(timer);
            observer.disconnect();
            resolve();
          });
          observer.observe(document, { attributes: true, attributeFilter: ["data-event"], subtree: true });
        });
        times.push(performance.now() - start);
      }
      return times;
    }, events);
  }

  /** What something gives, and the seconds of the processor that the page's own thread takes meanwhile. */
  async withCpu(act) {
    const before = mainThreadOf(this.#root);
    const result = await act();
    return { result, cpu: mainThreadOf(this.#root) - before };
  }

  /** Goes where an address says. */
  async goTo(place) {
    await this.page.evaluate(async (parts) => {
      const all = new URLSearchParams(location.hash.slice(1));
      for (const [name, value] of Object.entries(parts)) all.set(name, value);
      location.hash = all.toString();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }, place);
  }

  /** Milliseconds that the page's own thread works for each answer with cells, to the end of the frame that shows them. */
  async drawingOf(act) {
    await this.page.evaluate(() => {
      globalThis.seen.cellsDrawn.length = 0;
    });
    await act();
    await this.page.waitForTimeout(500);
    return await this.page.evaluate(() => globalThis.seen.cellsDrawn);
  }
}
