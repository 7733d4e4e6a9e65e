/**
 * What one does in the workbench with its views: drop, travel, zoom, unfold, search, compare, export, resize.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { checkTrace } from "../../dist/check/index.js";
import { goTo, openFile, openPage, region, settled, WAIT_MS } from "./page-driver.mjs";

const CORPUS = path.resolve(import.meta.dirname, "../corpus");
const PLANTED = "dma-ppc64le-linux612-planted.txt.gz";
const RUN = "tracing-switched-on-in-a-running-guest-linux61";

const read = (folder, name) => readFileSync(path.join(CORPUS, folder, name));

/** A page with files open in it. */
async function pageWith(browser, url, files, options) {
  const opened = await openPage(browser, url, options);
  await opened.page.goto(url);
  for (const [folder, name] of files) await openFile(opened.page, name, read(folder, name));
  return opened;
}

const playhead = (page) =>
  page.evaluate(() => Number(document.querySelector('.slider input[type="range"]').value));

/** Files are dropped anywhere, several at once, while others are open. */
async function dropAnywhere(browser, url, check) {
  const { page, trouble, close } = await pageWith(browser, url, [["traces", PLANTED]]);
  const names = ["one.txt", "two.txt"];
  const text = gunzipSync(read("traces", PLANTED)).toString();
  for (const target of [".lines", "header"]) {
    await page.evaluate(
      ({ target, names, text }) => {
        const transfer = new DataTransfer();
        for (const name of names) transfer.items.add(new File([text], name));
        const at = document.querySelector(target);
        for (const type of ["dragover", "drop"])
          at.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }));
      },
      { target, names: names.map((name) => `${target.replace(".", "")}-${name}`), text },
    );
  }
  const files = region(page, "Files").locator(".file");
  const texts = await settled(() => files.allInnerTexts());
  check("files drop anywhere, several at once", texts.length === 5, texts.join("; "));
  check(
    "each file that was dropped is read to its end",
    texts.slice(1).every((one) => /\d events?$/.test(one)),
    texts.join("; "),
  );
  check("dropping leaves the console silent", trouble.length === 0, trouble.join("; "));
  await close();
}

/** Dragging the playhead, or the keys, travels: the table follows. */
async function travels(browser, url, check) {
  const { page, trouble, close } = await pageWith(browser, url, [["traces", PLANTED]]);
  await goTo(page, { at: 20, axis: "event" });
  await page.locator('.rows table[data-event="20"]').waitFor({ timeout: WAIT_MS });
  const line = page.locator('[data-region="Time"] .playhead');
  const box = await line.boundingBox();
  await page.mouse.move(box.x + 4, box.y + 20);
  await page.mouse.down();
  for (const by of [30, 90, 200]) await page.mouse.move(box.x + 4 + by, box.y + 20);
  await page.mouse.up();
  const dragged = await settled(() => playhead(page));
  const table = await settled(() => page.locator(".rows table").getAttribute("data-event"));
  check(
    "dragging the playhead travels",
    dragged > 22 && table === String(dragged),
    `${dragged}, table ${table}`,
  );
  const selected = await page.locator(".selected").count();
  check("dragging the playhead selects nothing", selected === 0, `${selected} selections`);
  await page.keyboard.press(",");
  await page.keyboard.press(",");
  const stepped = await settled(() => playhead(page));
  check("keys step from event to event", stepped === dragged - 2, `${stepped}`);
  check("travelling leaves the console silent", trouble.length === 0, trouble.join("; "));
  await close();
}

/** From all of a space to one entry, by keys; folded rows open, and the cursor says what is there. */
async function zooms(browser, url, check) {
  const { page, trouble, close } = await pageWith(browser, url, [
    ["traces", "nvdimm-window-2pow51-linux61.log.gz"],
  ]);
  const address = region(page, "Address");
  await region(page, "Structure")
    .getByRole("button", { name: /^0x80000001/ })
    .click();
  const map = address.getByRole("application");
  const fold = address.getByRole("button", { name: /empty rows/ });
  await fold.first().waitFor({ timeout: WAIT_MS });
  const folded = await fold.first().innerText();
  check("long empty stretches are one row that says how many", /^[\d,]{5,} empty rows$/.test(folded), folded);
  await map.focus();
  await page.keyboard.press("ArrowRight");
  for (let i = 0; i < 40; i++) await page.keyboard.press("+");
  const level = await settled(() => address.locator(".bar").innerText());
  check("zooming ends at single entries", /a cell is one entry/.test(level), level);
  const text = await settled(() => address.locator("#cell-text").innerText());
  check(
    "the cursor says bus address, target, since when and by which event",
    /^0x[0-9a-f]{16} 1 of 1 page is mapped.* to 0x[0-9a-f]{16} rw since event [\d,]+, line [\d,]+/.test(text),
    text,
  );
  await fold.first().click();
  const after = await settled(() => fold.allInnerTexts());
  check("the handle of a fold opens it", !after.includes(folded), after.join("; "));
  for (const colour of ["age", "size", "owner", "certainty"])
    await address.getByLabel("colour by").selectOption(colour);
  const legend = await settled(() => address.locator(".cell-text .legend").innerText());
  check("the legend names the colours", /known.*inferred.*unknown/s.test(legend), legend);
  check("zooming leaves the console silent", trouble.length === 0, trouble.join("; "));
  await close();
}

/** A drag in Lifetimes selects time and addresses, which narrows findings; F shows just that. */
async function brushes(browser, url, check) {
  const { page, trouble, close } = await pageWith(browser, url, [["traces", PLANTED]]);
  const findings = region(page, "Findings");
  const all = await settled(() => findings.locator(".finding").count());
  const box = await region(page, "Lifetimes").locator(".canvas-box").boundingBox();
  await page.mouse.move(box.x + 2, box.y + 1);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, box.y + box.height * 0.7, { steps: 4 });
  await page.mouse.up();
  const text = await settled(() => region(page, "Selection").locator("dl").innerText());
  check(
    "a drag in Lifetimes selects time and addresses",
    /bus addresses.*events\s+[\d,]+ to [\d,]+.*peak/s.test(text),
    text,
  );
  await findings.getByRole("button", { name: "only selected" }).click();
  const narrowed = await settled(() => findings.locator(".finding").count());
  check("findings are narrowed to the selection", narrowed > 0 && narrowed < all, `${narrowed} of ${all}`);
  await page.keyboard.press("n");
  check(
    "going through them keeps the selection",
    (await settled(() => findings.locator(".finding").count())) === narrowed,
  );
  const whole = await region(page, "Address").locator(".bar").innerText();
  await page.keyboard.press("f");
  const hash = await settled(() => page.evaluate(() => location.hash));
  check(
    "F shows the selection in time and address",
    /time=/.test(hash) && /heat=/.test(hash),
    `${hash}, before ${whole}`,
  );
  await page.keyboard.press("Escape");
  await goTo(page, { at: 30, axis: "event" });
  await settled(() => playhead(page));
  await page.keyboard.press("[");
  for (let i = 0; i < 4; i++) await page.keyboard.press(".");
  await settled(() => playhead(page));
  await page.keyboard.press("]");
  const keys = await settled(() => region(page, "Selection").locator("dl").innerText());
  check("time is selected by keys", /events\s+30 to 34/.test(keys), keys);
  check("selecting leaves the console silent", trouble.length === 0, trouble.join("; "));
  await close();
}

/** `/` finds addresses, windows, devices, lines and texts, and goes there. */
async function searches(browser, url, check) {
  const { page, trouble, close } = await pageWith(browser, url, [["traces", PLANTED]]);
  const dialog = page.getByRole("dialog", { name: "Search" });
  const find = async (text) => {
    await page.keyboard.press("/");
    await dialog.waitFor({ timeout: WAIT_MS });
    await dialog.getByRole("textbox").fill(text);
    return await settled(() => dialog.locator(".hit").allInnerTexts());
  };
  const lines = await find("line 20");
  check("search finds a line by its number", /^event\s+line 20/.test(lines[0] ?? ""), lines.join("; "));
  await page.keyboard.press("Enter");
  const now = await settled(() => page.locator('.text li[aria-current="true"] .line-number').innerText());
  check("Enter goes to what was found", now === "20" && !(await dialog.isVisible()), now);
  const devices = await find("00:04.0");
  check("search finds a device", /^window or device/.test(devices[0] ?? ""), devices[0]);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  const chosen = await settled(() => page.locator('.space[aria-pressed="true"] .name').innerText());
  check("the device that was found is shown", chosen === "0000:00:04.0", chosen);
  const events = await find("dma_unmap_page");
  check(
    "search finds events by name",
    events.length > 2 && events.every((hit) => hit.includes("dma_unmap_page")),
    events[0],
  );
  await page.keyboard.press("Escape");
  check("Escape closes the search", !(await dialog.isVisible()));
  check("searching leaves the console silent", trouble.length === 0, trouble.join("; "));
  await close();
}

/** A chosen finding shows what its addresses held before and after. */
async function showsBeforeAndAfter(browser, url, check) {
  const { page, trouble, close } = await pageWith(browser, url, [["traces", PLANTED]]);
  const { findings } = await checkTrace(read("traces", PLANTED));
  const at = findings.findIndex(({ kind }) => kind === "size-mismatch");
  await region(page, "Findings").locator(".finding").nth(at).click();
  const text = await settled(() => region(page, "Selection").locator(".before-after").innerText());
  check(
    "what the addresses of a finding held before and after its event is shown",
    /before\s+[A-Z_]+ \d+ pages?.*after\s+not mapped/s.test(text),
    text,
  );
  check("choosing leaves the console silent", trouble.length === 0, trouble.join("; "));
  await close();
}

/** A saved machine and the trace of its run are compared where they agree best. */
async function comparesFiles(browser, url, check) {
  const files = [
    ["migration", `${RUN}--midrun.mig.gz`],
    ["traces", `${RUN}.log.gz`],
  ];
  const { page, trouble, close } = await pageWith(browser, url, files);
  const selection = region(page, "Selection");
  await selection.getByLabel("Compare with").selectOption({ label: `${RUN}--midrun.mig.gz` });
  const status = selection.getByRole("status");
  await status.waitFor({ timeout: WAIT_MS });
  const agreed = await status.innerText();
  check(
    "a saved machine is compared where it agrees best",
    /entries are the\s+same, 0 differ/.test(agreed),
    agreed,
  );
  const event = Number(/after event ([\d,]+)/.exec(agreed)[1].replaceAll(",", ""));
  check("the playhead goes there", (await settled(() => playhead(page))) === event, `${event}`);
  const rows = selection.locator(".changes tbody tr");
  const count = await settled(() => rows.count());
  check("what differs from the other file is listed", count > 0, `${count} rows`);
  const heads = await selection.locator(".changes th").allInnerTexts();
  check(
    "each side has its file's name",
    heads[4].endsWith("midrun.mig.gz") && heads[5].endsWith(".log.gz"),
    heads.join("; "),
  );
  const colour = await region(page, "Address").getByLabel("colour by").inputValue();
  check("the heat map is coloured by what differs", colour === "change", colour);
  const hash = await settled(() => page.evaluate(() => location.hash));
  const second = await openPage(browser, url);
  await second.page.goto(url + hash);
  // The file that was opened first has the place; the other one is found when it is open.
  for (const [folder, name] of files.toReversed()) await openFile(second.page, name, read(folder, name));
  await second.page.locator(".file", { hasText: `${RUN}.log.gz` }).click();
  const again = await settled(() => second.page.locator(".changes tbody tr").count());
  check(
    "the address says which file it is compared with",
    /with=/.test(hash) && again === count,
    `${hash}, ${again} rows`,
  );
  await second.close();
  await selection.getByLabel("Compare with").selectOption("");
  check("it ends when it is taken away", (await settled(() => rows.count())) === 0);
  check("comparing files leaves the console silent", trouble.length === 0, trouble.join("; "));
  await close();
}

/** Everything that leaves the page: pictures, the selection, findings. */
async function exports_(browser, url, check) {
  const { page, trouble, close } = await pageWith(browser, url, [["traces", "nvme-e1000-1g-linux61.log.gz"]]);
  const take = async (name) => {
    await page.locator(".menu summary").click();
    const [download] = await Promise.all([
      page.waitForEvent("download", { timeout: WAIT_MS }),
      page.getByRole("button", { name, exact: true }).click(),
    ]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    return { name: download.suggestedFilename(), data: Buffer.concat(chunks) };
  };
  await page.locator(".rows tbody tr").first().waitFor({ timeout: WAIT_MS });
  for (const picture of ["Time", "Lifetimes", "Address"]) {
    const png = await take(`${picture} as PNG`);
    const isPng = png.data.subarray(1, 4).toString() === "PNG" && png.data.length > 500;
    check(`${picture} is exported as PNG`, isPng, `${png.name}, ${png.data.length} bytes`);
    const svg = (await take(`${picture} as SVG`)).data.toString();
    const isDrawn = await page.evaluate((text) => {
      const document = new DOMParser().parseFromString(text, "image/svg+xml");
      return document.querySelector("parsererror") === null && document.querySelectorAll("path").length > 0;
    }, svg);
    check(`${picture} is exported as SVG`, isDrawn, svg.slice(0, 200));
  }
  const csv = (await take("selection as CSV")).data.toString().trim().split("\n");
  const rows = await page.locator(".rows tbody tr").count();
  check(
    "what is mapped is exported as CSV",
    csv.length === rows + 1 && csv[0].startsWith("space,bus address"),
    `${csv.length} lines, ${rows} rows`,
  );
  const script = (await take("selection as op script")).data.toString();
  const { findings } = await checkTrace(script, { name: "script" });
  check(
    "what is mapped is exported as an op script that runs",
    script.startsWith('{"header":1') && findings.length === 0,
    `${findings.length} findings`,
  );
  const json = JSON.parse((await take("findings as JSON")).data.toString());
  check(
    "findings are exported as check prints them",
    json.files[0].format === "qemu-log",
    JSON.stringify(json).slice(0, 100),
  );
  check(
    "exporting leaves the console silent, and nothing is asked of others",
    trouble.length === 0,
    trouble.join("; "),
  );
  await close();
}

/** Perfetto is opened in a window, asked until it answers, and given the bytes; a window that is none gets nothing. */
async function opensPerfetto(browser, url, check) {
  const { page, trouble, close } = await pageWith(browser, url, [["traces", PLANTED]]);
  await page.evaluate(() => {
    globalThis.posted = [];
    globalThis.open = (address) => {
      const other = {
        postMessage: (data, origin) => {
          globalThis.posted.push({ data: data.perfetto ?? data, origin });
          const answers = globalThis.posted.filter(({ data }) => data === "PING").length;
          const answer = (origin, source) =>
            dispatchEvent(
              Object.defineProperty(new MessageEvent("message", { data: "PONG", origin }), "source", {
                value: source,
              }),
            );
          // One that is not Perfetto answers first.
          if (answers === 1 && data === "PING") answer("https://example.org", other);
          if (answers === 2 && data === "PING") answer(origin, globalThis);
          if (answers === 3 && data === "PING") answer(origin, other);
        },
      };
      globalThis.opened = address;
      return other;
    };
  });
  await page.locator(".menu summary").click();
  await page.getByRole("button", { name: "Open in Perfetto" }).click();
  await page.waitForFunction(() => globalThis.posted.some(({ data }) => data !== "PING"), undefined, {
    timeout: WAIT_MS,
  });
  const told = await page.evaluate(() => ({
    opened: globalThis.opened,
    origins: [...new Set(globalThis.posted.map(({ origin }) => origin))],
    pings: globalThis.posted.filter(({ data }) => data === "PING").length,
    last: globalThis.posted.at(-1).data,
    bytes: globalThis.posted.at(-1).data.buffer?.byteLength,
  }));
  check(
    "Perfetto is opened, and only its origin is spoken to",
    told.opened === "https://ui.perfetto.dev" && told.origins.join() === told.opened,
    JSON.stringify(told),
  );
  check(
    "it is given the bytes when it has answered itself",
    told.pings === 3 && told.bytes > 500 && told.last.title === PLANTED,
    JSON.stringify(told),
  );
  check("opening Perfetto asks nothing of others by itself", trouble.length === 0, trouble.join("; "));
  await close();
}

/** Panels are resized by drag and by keys, and the address has their sizes. */
async function resizes(browser, url, check) {
  const { page, trouble, close } = await openPage(browser, url);
  await page.goto(`${url}#example=planted.txt.gz&at=20`);
  await page.locator(".finding").first().waitFor({ timeout: WAIT_MS });
  const splitter = (name) => page.getByRole("separator", { name: `size of ${name}` });
  const side = () => page.evaluate(() => document.querySelector(".side").getBoundingClientRect().width);
  const was = await side();
  await splitter("Findings and Structure").focus();
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowRight");
  check(
    "arrow keys on the line between panels resize them",
    (await side()) === was + 48,
    `${was}, ${await side()}`,
  );
  const line = await splitter("Lines").boundingBox();
  const lines = await page.locator(".lines").boundingBox();
  await page.mouse.move(line.x + 50, line.y + 2);
  await page.mouse.down();
  await page.mouse.move(line.x + 50, line.y - 58, { steps: 3 });
  await page.mouse.up();
  const taller = await page.locator(".lines").boundingBox();
  check(
    "dragging it resizes them",
    Math.abs(taller.height - lines.height - 60) < 2,
    `${lines.height}, ${taller.height}`,
  );
  const shown = await settled(() => page.locator(".text li").count());
  check("more room for lines shows more lines", shown > 5, `${shown}`);
  const hash = await settled(() => page.evaluate(() => location.hash));
  const second = await openPage(browser, url);
  await second.page.goto(url + hash);
  await second.page.locator(".finding").first().waitFor({ timeout: WAIT_MS });
  const sizes = (one) =>
    one.evaluate(() =>
      [".side", ".lines"].map((name) => document.querySelector(name).getBoundingClientRect().toJSON()),
    );
  const [here, there] = [await sizes(page), await settled(() => sizes(second.page))];
  check("the address brings back their sizes", JSON.stringify(here) === JSON.stringify(there), hash);
  const all = [...trouble, ...second.trouble];
  check("resizing leaves the console silent", all.length === 0, all.join("; "));
  await close();
  await second.close();
}

/** The tables behind the pictures have rows only while they are open. */
async function opensTables(browser, url, check) {
  const { page, trouble, close } = await pageWith(browser, url, [["traces", PLANTED]]);
  for (const name of ["Time", "Lifetimes"]) {
    const table = region(page, name).locator("details.table");
    const rows = () => table.locator("tbody tr").count();
    await table.waitFor({ timeout: WAIT_MS });
    const closed = await settled(rows);
    await table.locator("summary").click();
    const open = await settled(rows);
    await table.locator("summary").click();
    const again = await settled(rows);
    check(
      `the table behind ${name} has rows while it is open`,
      closed === 0 && open > 0 && again === 0,
      `${closed}, ${open}, ${again}`,
    );
  }
  check("opening tables leaves the console silent", trouble.length === 0, trouble.join("; "));
  await close();
}

export const VIEWS = {
  dropAnywhere,
  travels,
  zooms,
  brushes,
  searches,
  showsBeforeAndAfter,
  comparesFiles,
  exports: exports_,
  opensPerfetto,
  resizes,
  opensTables,
};
