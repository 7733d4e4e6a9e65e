/**
 * The workbench in headless Chromium, driven by the names that its regions have, and compared with what the library says.
 *
 * @module
 */

import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { Random } from "../../dist/base/random.js";
import { checkTrace, forEachStateRun, statesAtMoments } from "../../dist/check/index.js";
import { EXAMPLES } from "../../dist/workbench/examples.js";
import { goTo, openFile, openPage, region, servePage, settled, WAIT_MS } from "./page-driver.mjs";
import { PICTURES } from "./workbench-pictures.mjs";
import {
  boundsScripts,
  loadsRooms,
  makesTours,
  playsReplay,
  runsScripts,
  sharesScripts,
} from "./workbench-rooms.mjs";
import { VIEWS } from "./workbench-views.mjs";

export { openPage, servePage };

const ROOT = path.resolve(import.meta.dirname, "../..");
const CORPUS = path.join(ROOT, "test/corpus");
const AXE = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

const REGIONS = ["Files", "Findings", "Time", "Address", "Lifetimes", "Structure", "Selection"];
/** Rows of the table behind the heat map. */
const TABLE_ROWS = 1000;
/** (file, event) pairs that are compared with `map --at`. */
const PAIRS = 200;

/** The rows of the table behind the heat map, of an event. */
async function tableAt(page, event) {
  await page
    .locator(`[data-region="Address"] .rows table[data-event="${event}"]`)
    .waitFor({ timeout: WAIT_MS });
  return await page.evaluate(() =>
    [...document.querySelectorAll('[data-region="Address"] .rows tbody tr')].map((row) =>
      [...row.cells].slice(0, 5).map((cell) => cell.textContent.trim()),
    ),
  );
}

const hex16 = (value) => `0x${BigInt(value).toString(16).padStart(16, "0")}`;
const counted = (value) => value.toLocaleString("en");

/** The rows that `map` has of a space, in the words of the page. */
function rowsOf({ windows, spaces }, name) {
  const rows = [];
  const window = windows.find(({ liobn }) => `0x${liobn.toString(16)}` === name);
  if (window !== undefined)
    forEachStateRun(window, ({ ioba, pages, target, perm, certainty, inferredPages = 0, sameTarget }) => {
      rows.push([
        hex16(ioba),
        counted(pages),
        certainty === "unknown" ? "" : `${hex16(target)}${sameTarget === true ? " (all)" : ""}`,
        perm,
        inferredPages > 0 && inferredPages < pages ? `${counted(inferredPages)} inferred` : certainty,
      ]);
    });
  const { mappings = [] } = spaces.find(({ space }) => space === name) ?? {};
  for (const { life, stretches } of mappings) {
    for (const { first, last, target, repeats } of stretches) {
      const pages = Number((last >> 12n) - (first >> 12n)) + 1;
      const to = target === undefined ? "" : `${hex16(target)}${repeats === undefined ? "" : " (all)"}`;
      rows.push([hex16(first), counted(pages), to, life.access, life.inferred ? "inferred" : "known"]);
    }
  }
  return rows;
}

const keyOf = (rows) => JSON.stringify(rows.map((row) => row.join("|")).sort());

/** Recordings for the comparison: of each kind that has moments, those that are small enough to be read twice. */
function recordings() {
  const of = (folder, ends, most) =>
    readdirSync(path.join(CORPUS, folder))
      .filter((name) => ends.test(name) && statSync(path.join(CORPUS, folder, name)).size < most)
      .map((name) => path.join(folder, name));
  return [
    of("traces", /\.(?:log|txt|simple)\.gz$/, 130_000),
    of("recordings", /\.(?:dat|data)\.gz$/, 60_000),
    of("boots", /\.log\.gz$/, 130_000),
    of("hcall", /\.jsonl\.gz$/, 20_000),
    of("kvm", /\.jsonl\.gz$/, 20_000),
    of("migration", /\.mig\.gz$/, 600_000),
    of("qemu-files", /\.(?:log|mig|qcow2|zst)(?:\.gz)?$/, 600_000),
  ];
}

/** Opens recordings, and at random events holds the table behind the heat map against `map --at`. */
async function comparePairs(browser, url, check) {
  const seed = Number(process.env.SEED ?? 1);
  const random = new Random(seed);
  const files = recordings();
  const chosen = new Map();
  for (let i = 0; i < PAIRS; i++) {
    // Half of the pairs are of traces.
    const kind = i % 2 === 0 ? files[0] : random.pick(files.slice(1));
    const file = random.pick(kind);
    chosen.set(file, (chosen.get(file) ?? 0) + 1);
  }
  const { page, trouble, close } = await openPage(browser, url);
  await page.goto(url);
  let pairs = 0;
  for (const [file, count] of chosen) {
    const name = path.basename(file);
    const bytes = readFileSync(path.join(CORPUS, file));
    const [end] = await statesAtMoments(bytes, [undefined], { onTruncated: () => {} });
    // A saved machine is one moment.
    const last = end.moment?.event ?? 0;
    const events = Array.from({ length: count }, () => random.below(last + 1));
    const moments = events.map((event) => (end.moment === undefined ? undefined : { event }));
    const states = await statesAtMoments(bytes, moments, { onTruncated: () => {} });
    await openFile(page, name, bytes);
    const wrong = [];
    for (const [i, event] of events.entries()) {
      const state = states[i];
      const names = [
        ...state.windows.filter(({ entries }) => entries > 0).map(({ liobn }) => `0x${liobn.toString(16)}`),
        ...state.spaces.map(({ space }) => space),
      ];
      pairs++;
      if (names.length === 0) continue;
      const space = random.pick(names);
      await goTo(page, { at: event, space, axis: "event" });
      await page
        .locator(`[data-region="Structure"] .space[aria-pressed="true"] .name:text-is("${space}")`)
        .waitFor({ timeout: WAIT_MS });
      const shown = await tableAt(page, event);
      const expected = rowsOf(state, space);
      const isSame =
        expected.length > TABLE_ROWS
          ? shown.length === TABLE_ROWS
          : keyOf(shown) === keyOf(expected.map((row) => row.map((cell) => cell.trim())));
      if (!isSame) wrong.push(`event ${event} of ${space}: ${shown.length} rows, map has ${expected.length}`);
    }
    check(`${name}: ${count} moments are as map --at has them`, wrong.length === 0, wrong.join("; "));
    await page.getByRole("button", { name: `close ${name}` }).click();
  }
  check(`${pairs} pairs of seed ${seed} were compared`, pairs === PAIRS);
  check("comparing leaves the console silent", trouble.length === 0, trouble.join("; "));
  await close();
}

/** Each recording beside the page opens, and says what the library says. */
async function openExamples(browser, url, check) {
  const { page, trouble, close } = await openPage(browser, url);
  for (const { file, title, source } of EXAMPLES) {
    await page.goto(url);
    await page.getByRole("button", { name: title }).click();
    await page
      .waitForFunction(
        () => /events?$/.test(document.querySelector('.file[aria-pressed="true"]')?.textContent ?? ""),
        undefined,
        { timeout: WAIT_MS },
      )
      .catch(() => {});
    const bytes = readFileSync(path.join(ROOT, "test", source));
    const { findings } = await checkTrace(bytes, { name: file });
    const shown = await region(page, "Findings").locator(".finding").count();
    check(`${title}: ${findings.length} findings`, shown === findings.length, `${shown} are shown`);
    for (const name of REGIONS) {
      const there = await region(page, name).count();
      if (there !== 1) check(`${title}: a region ${name}`, false, `${there} of them`);
    }
  }
  check(
    "examples leave the console silent, and nothing is asked of others",
    trouble.length === 0,
    trouble.join("; "),
  );
  await close();
}

/** Planted mistakes are found at their lines, and choosing one shows these. */
async function findPlanted(browser, url, check) {
  const name = "dma-ppc64le-linux612-planted";
  const bytes = readFileSync(path.join(CORPUS, "traces", `${name}.txt.gz`));
  const { findings } = await checkTrace(bytes, { name });
  const text = gunzipSync(bytes).toString().split("\n");
  const { page, trouble, close } = await openPage(browser, url);
  await page.goto(url);
  await openFile(page, `${name}.txt.gz`, bytes);
  for (const [i, finding] of findings.entries()) {
    await page.keyboard.press("n");
    await page.locator(`.finding[aria-current="true"]`).waitFor({ timeout: WAIT_MS });
    const line = finding.lines.at(-1);
    const now = page.locator(`.text li[aria-current="true"] .line-number:text-is("${line}")`);
    await now.waitFor({ timeout: 5000 }).catch(() => {});
    const shown = await page.locator('.text li[aria-current="true"]').innerText();
    const kind = await page.locator('.finding[aria-current="true"] .kind').innerText();
    const isThere = shown.includes(text[line - 1].trim()) && kind.includes(finding.kind);
    check(`finding ${i + 1}, ${finding.kind}, stands at line ${line}`, isThere, `${kind}: ${shown}`);
  }
  check("findings leave the console silent", trouble.length === 0, trouble.join("; "));
  await close();
}

/** What is shown is in the address, and comes back from it. */
async function roundTrip(browser, url, check) {
  const first = await openPage(browser, url);
  await first.page.goto(`${url}#example=planted.txt.gz`);
  await first.page.locator(".finding").first().waitFor({ timeout: WAIT_MS });
  await first.page.waitForFunction(() => location.hash.includes("space="));
  for (const key of ["n", "n", "w", "m", "n", "d"]) {
    await first.page.keyboard.press(key);
    await first.page.waitForTimeout(150);
  }
  await first.page.getByLabel("colour by").selectOption("change");
  await first.page.getByRole("button", { name: "zoom in" }).click();
  await first.page.locator("#filter").fill("dma_map_*: size > 0");
  await first.page.keyboard.press("Enter");
  await first.page.waitForFunction(() => location.hash.includes("filter="));
  const stateOf = (page) =>
    page.evaluate(() => ({
      hash: location.hash,
      event: document.querySelector(".rows table")?.dataset.event,
      rows: document.querySelector(".rows tbody")?.innerText,
      selection: document.querySelector(".selection dl")?.innerText,
      space: document.querySelector('.space[aria-pressed="true"] .name')?.textContent,
      filter: document.querySelector("#filter")?.value,
      findings: document.querySelectorAll(".finding").length,
    }));
  const before = await settled(() => stateOf(first.page));
  const second = await openPage(browser, url);
  await second.page.goto(url + before.hash);
  let after;
  for (let i = 0; i < 100 && JSON.stringify(after) !== JSON.stringify(before); i++) {
    await second.page.waitForTimeout(200);
    after = await stateOf(second.page);
  }
  check(
    "an address brings back all that was shown",
    JSON.stringify(after) === JSON.stringify(before),
    `${JSON.stringify(before)} became ${JSON.stringify(after)}`,
  );
  const trouble = [...first.trouble, ...second.trouble];
  check("the round trip leaves the console silent", trouble.length === 0, trouble.join("; "));
  await first.close();
  await second.close();
}

/** axe finds nothing in what a page shows now. */
export async function hasNoViolation(page, check, what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes[0].html} ${nodes[0].failureSummary}`);
  check(`axe finds nothing: ${what}`, found.length === 0, found.join("; "));
}

/** axe finds nothing, in light and dark, on the first screen and with a file, wide and narrow. */
async function isAccessible(browser, url, check) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 390]) {
      const { page, trouble, close } = await openPage(browser, url, {
        colorScheme,
        viewport: { width, height: 720 },
      });
      const look = (what) => hasNoViolation(page, check, `${what}, ${colorScheme}, ${width} px`);
      const isNarrow = async (what) => {
        const isWide = await page.evaluate(() =>
          [document.documentElement, ...document.querySelectorAll("main")].some(
            (element) => element.scrollWidth > element.clientWidth,
          ),
        );
        check(`${what}: nothing is wider than the page at ${width} px, ${colorScheme}`, !isWide);
      };
      await page.goto(url);
      await look("first screen");
      await page.goto(
        `${url}#view=script&script=${encodeURIComponent('{"header":1}\n{"op":"h_put_tce","liobn":1,"ioba":0,"tce":3}')}`,
      );
      await page.getByRole("button", { name: /^Run/ }).click();
      await page.locator(".step .why").waitFor({ timeout: WAIT_MS });
      await look("a script");
      await isNarrow("a script");
      await page.goto(`${url}#view=replay&at=25`);
      await page.locator(".stall").first().waitFor({ timeout: WAIT_MS });
      await look("the replay");
      await isNarrow("the replay");
      await page.goto(`${url}#view=tours`);
      await page.getByRole("button", { name: /Build a TCE/ }).click();
      await page.locator(".tour").waitFor({ timeout: WAIT_MS });
      await page.locator(".script").waitFor({ timeout: WAIT_MS });
      await look("a tour");
      await isNarrow("a tour");
      await page.getByRole("button", { name: "end the tour" }).click();
      await page.goto(`${url}#example=planted.txt.gz&finding=1&at=13`);
      await page.locator(".finding").first().waitFor({ timeout: WAIT_MS });
      await page.waitForTimeout(700);
      await look("a file with findings");
      await isNarrow("a file");
      await page.keyboard.press("/");
      await page.getByRole("dialog", { name: "Search" }).getByRole("textbox").fill("dma_map");
      await page.locator(".hit").first().waitFor({ timeout: WAIT_MS });
      await look("a search");
      await page.keyboard.press("Escape");
      await page.locator(".menu summary").click();
      await look("what can be exported");
      await page.keyboard.press("Escape");
      await page.keyboard.press("?");
      await look("the help");
      check(
        `the pages of axe are silent, ${colorScheme}, ${width} px`,
        trouble.length === 0,
        trouble.join("; "),
      );
      await close();
    }
  }
}

/** Names from a trace are text; what cannot be read is said. */
async function takesBadFiles(browser, url, check) {
  const { page, trouble, close } = await openPage(browser, url);
  await page.goto(url);
  const markup = '<img src=x onerror="globalThis.hit=1"><b>bold</b>';
  const event = (name, address) =>
    `${markup}-160 [000] .... 1.000000: dma_map_page: ${name} dir=TO_DEVICE dma_addr=${address} size=4096 phys_addr=12000 attrs=`;
  const text = ["# tracer: nop", event("0000:00:04.0", "10000"), event("0000:00:04.0", "10000"), ""].join(
    "\n",
  );
  await openFile(page, "<b>hostile</b>.txt", Buffer.from(text));
  const isHit = await page.evaluate(
    () => globalThis.hit === 1 || document.querySelector(".app b, .app img") !== null,
  );
  check("names from a file are text, never markup", !isHit);
  await page
    .locator('input[type="file"]')
    .first()
    .setInputFiles({
      name: "nothing.txt",
      mimeType: "",
      buffer: Buffer.from("nothing to see\n".repeat(10)),
    });
  const alert = page.getByRole("alert");
  await alert.waitFor({ timeout: WAIT_MS });
  check(
    "what cannot be read says why",
    /no event that is known here/.test(await alert.innerText()),
    await alert.innerText(),
  );
  await page.locator("#filter").fill("size >");
  await page.keyboard.press("Enter");
  check("the console is silent about bad files", trouble.length === 0, trouble.join("; "));
  await close();
}

/** A part that has a page of its own. */
const inPage = (part) => async (browser, url, check) => {
  const opened = await openPage(browser, url);
  try {
    await part({ ...opened, url }, check);
  } finally {
    await opened.close();
  }
};

const PARTS = {
  ...VIEWS,
  ...PICTURES,
  openExamples,
  findPlanted,
  roundTrip,
  isAccessible,
  takesBadFiles,
  loadsRooms: inPage(loadsRooms),
  runsScripts: inPage(runsScripts),
  sharesScripts: inPage(sharesScripts),
  boundsScripts: inPage(boundsScripts),
  playsReplay: inPage(playsReplay),
  makesTours: inPage(makesTours),
  comparePairs,
};

/** All checks of the workbench, or those that PARTS names. */
export async function checkWorkbench(browser, check) {
  const server = await servePage();
  const wanted = process.env.PARTS?.split(",") ?? Object.keys(PARTS);
  try {
    for (const name of wanted)
      await PARTS[name](browser, server.url, check).catch((error) => check(name, false, error.message));
    check(
      "the page asks for nothing that is not there",
      server.missing.length === 0,
      server.missing.join(" "),
    );
  } finally {
    server.end();
  }
}
