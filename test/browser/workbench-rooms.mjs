/**
 * The rooms of the workbench beside recordings: the script pad, the theatre of the replay, the tours; driven by keys
 * where that is what they are for.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import path from "node:path";
import { SCENARIOS } from "../../dist/lab/index.js";
import { parseRecording } from "../../dist/script/index.js";
import { SAMPLE_SCRIPTS, textOfSample } from "../../dist/workbench/sample-scripts.js";

const ROOT = path.resolve(import.meta.dirname, "../..");
const WAIT_MS = 300_000;
/** The engine's own count: 128 TiB in pages of 64 KiB. */
const ENTRIES = (2 ** 31).toLocaleString("en");

const region = (page, name) => page.getByRole("region", { name, exact: true });

/** Where there is a select-all. */
async function writeScript(page, text) {
  const area = page.getByLabel("Op script");
  await area.waitFor({ timeout: WAIT_MS });
  await area.focus();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(text);
}

async function runScript(page, text) {
  await writeScript(page, text);
  await page.keyboard.press("Control+Enter");
  await page.waitForFunction(
    () => document.querySelector('.answers[aria-busy="false"] .verdict') !== null,
    undefined,
    { timeout: WAIT_MS },
  );
}

const shownAnswers = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll(".steps .step")].map((step) => ({
      line: Number(step.querySelector(".line-number").textContent),
      isRefused: step.classList.contains("is-refused"),
      rules: [...step.querySelectorAll(".rule")].map((rule) => rule.textContent),
      text: step.textContent,
    })),
  );

/** What a room needs is loaded when it is entered. */
export async function loadsRooms({ page, url, trouble }, check) {
  const asked = [];
  page.on("request", (request) => asked.push(path.basename(request.url())));
  await page.goto(url);
  await region(page, "Files").waitFor({ timeout: WAIT_MS });
  await page.waitForTimeout(500);
  const early = asked.filter((name) => /^(?:script|pad|theatre|tour|stage)/.test(name));
  check("rooms: nothing of them is loaded at first", early.length === 0, early.join(" "));
  for (const [link, name] of [
    ["Script", "Script"],
    ["Replay", "Replay"],
    ["Tours", "Tours"],
  ]) {
    await page.getByRole("link", { name: link, exact: true }).first().click();
    await region(page, name).waitFor({ timeout: WAIT_MS });
  }
  await page.goBack();
  await region(page, "Replay").waitFor({ timeout: WAIT_MS });
  check(
    "rooms: the way back goes through them",
    (await page.evaluate(() => location.hash)).includes("view=replay"),
  );
  check("rooms leave the console silent", trouble.length === 0, trouble.join("; "));
}

/** Every sample and the script beside the page: each line is answered as `exec` answers it, with its rule. */
export async function runsScripts({ page, url, trouble }, check) {
  await page.goto(`${url}#view=script`);
  const texts = [
    ...SAMPLE_SCRIPTS.map((sample) => [sample.title, textOfSample(sample)]),
    ["script.jsonl", readFileSync(path.join(ROOT, "test/cases/readme-script.jsonl"), "utf8")],
  ];
  for (const [title, text] of texts) {
    await runScript(page, text);
    const expected = [...parseRecording(text, "script").run({ refusals: true })];
    const answers = await shownAnswers(page);
    const rules = expected.map(({ line, refusals }) => [line, refusals.map(({ id }) => id)]);
    check(
      `script, ${title}: each line is answered, with the rules of exec --explain`,
      JSON.stringify(answers.map(({ line, rules: shown }) => [line, shown])) === JSON.stringify(rules),
      JSON.stringify(answers),
    );
  }
  // A list of TCEs, with a device under KVM and under TCG.
  const list = textOfSample(SAMPLE_SCRIPTS.at(-1));
  for (const [accel, said] of [
    ["TCG", "VFIO_IOMMU_MAP_DMA"],
    ["KVM", "served by the kernel"],
  ]) {
    await page.getByLabel(accel).check();
    await page.getByLabel(/a device of the host/).check();
    await runScript(page, list);
    const [, second] = await shownAnswers(page);
    check(`script: under ${accel} it is said who serves a call`, second.text.includes(said), second.text);
  }
  await writeScript(page, `${textOfSample(SAMPLE_SCRIPTS[0])}{"op":"h_put_tee"}\n`);
  await page.keyboard.press("Control+Enter");
  const mistake = region(page, "Script").getByRole("alert");
  await mistake.waitFor({ timeout: WAIT_MS });
  const text = await mistake.innerText();
  check(
    "script: a mistake has line and column",
    /line 9, column 7/.test(text) && /h_put_tee/.test(text),
    text,
  );
  await mistake.getByRole("button").click();
  const selected = await page.evaluate(() => {
    const area = document.getElementById("script-text");
    return [document.activeElement === area, area.value.slice(0, area.selectionStart).split("\n").length];
  });
  check("script: its place is one click away", selected[0] && selected[1] === 9, selected.join());
  check("scripts leave the console silent", trouble.length === 0, trouble.join("; "));
}

/** An address brings a script back, a short one and one that is packed; one that is neither does no harm. */
export async function sharesScripts({ page, url, trouble }, check) {
  for (const length of [1, 400]) {
    const text = `{"header":1,"phbs":[{"index":0}],"title":"Zürich <b>"}\n${'{"op":"note","text":"x"}\n'.repeat(length)}`;
    await page.goto("about:blank");
    await page.goto(`${url}#view=script`);
    await writeScript(page, text);
    await page.getByLabel("KVM").check();
    await page.waitForFunction(() => location.hash.includes("on=kvm"), undefined, { timeout: WAIT_MS });
    const hash = await page.evaluate(() => location.hash);
    check(`script: ${length} operations take ${hash.length} characters of address`, hash.length < 1500);
    await page.goto("about:blank");
    await page.goto(url + hash);
    const area = page.getByLabel("Op script");
    await page.waitForFunction(
      () => document.getElementById("script-text")?.value.includes("Zürich"),
      undefined,
      {
        timeout: WAIT_MS,
      },
    );
    const back = await area.inputValue();
    check(
      `script: ${length} operations come back from the address`,
      back === text && (await page.getByLabel("KVM").isChecked()),
    );
  }
  for (const hash of ["packed=AAAA", "packed=%F0%9F", "script="]) {
    await page.goto("about:blank");
    await page.goto(`${url}#view=script&${hash}`);
    await page.getByLabel("Op script").waitFor({ timeout: WAIT_MS });
  }
  check("addresses leave the console silent", trouble.length === 0, trouble.join("; "));
}

/** A script that goes on for very long does not hold the page, and can be stopped; what is stopped runs again. */
export async function boundsScripts({ page, url, trouble }, check) {
  await page.goto(`${url}#view=script`);
  const header = '{"header":1,"phbs":[{"index":0}]}';
  const endless =
    '{"op":"bench","opcode":"0x20","args":["0x80000000","0x0","0x3"],"count":67108864,"step":4096,"wrap":"0x40000000"}';
  await writeScript(page, `${header}\n{"op":"note","text":"first"}\n${`${endless}\n`.repeat(30)}`);
  await page.keyboard.press("Control+Enter");
  const stop = region(page, "Script").getByRole("button", { name: "stop" });
  await stop.waitFor({ timeout: WAIT_MS });
  const started = Date.now();
  await page.getByLabel("Op script").press("End");
  const answered = Date.now() - started;
  check("script: the page answers while a script runs", answered < 2000, `${answered} ms`);
  await stop.click();
  await region(page, "Script").getByRole("alert").waitFor({ timeout: WAIT_MS });
  check(
    "script: it can be stopped",
    /stopped/.test(await region(page, "Script").getByRole("alert").innerText()),
  );
  await runScript(page, `${header}\n{"op":"h_put_tce","liobn":"0x80000000","ioba":"0x0","tce":"0x3"}\n`);
  check("script: after that the next one runs", (await shownAnswers(page)).length === 1);
  await page.getByRole("button", { name: "open as a recording" }).click();
  await region(page, "Address").waitFor({ timeout: WAIT_MS });
  await page.waitForFunction(
    () => document.querySelector('[data-region="Address"] .rows tbody tr') !== null,
    undefined,
    { timeout: WAIT_MS },
  );
  check("script: it opens as a recording", /script.jsonl/.test(await region(page, "Files").innerText()));
  await page.getByRole("link", { name: "Script" }).click();
  check(
    "script: and is still there",
    (await page.getByLabel("Op script").inputValue()).includes("h_put_tce"),
  );
  await page.clock.install();
  await writeScript(page, `${header}\n\n{"op":"note","text":"first"}\n${`${endless}\n`.repeat(3)}`);
  await page.keyboard.press("Control+Enter");
  await stop.waitFor({ timeout: WAIT_MS });
  const verdict = region(page, "Script").locator(".verdict");
  for (let i = 0; i < 100 && !/line 4/.test(await verdict.innerText()); i++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    await page.clock.runFor(50);
  }
  check(
    "script: the line that runs is shown",
    /Running line 4/.test(await verdict.innerText()),
    await verdict.innerText(),
  );
  await page.clock.runFor(13_000);
  const alert = await region(page, "Script").getByRole("alert").innerText();
  check(
    "script: an operation that takes too long is ended, and named",
    /^line 4 it did not end/.test(alert),
    alert,
  );
  check("bounds leave the console silent", trouble.length === 0, trouble.join("; "));
}

const tableOf = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('[data-region="Replay"] details.table tbody tr')].map((row) =>
      [...row.cells].map((cell) => cell.textContent.trim()),
    ),
  );

/** The theatre's numbers are those of the scenario; it is played, stepped and walked by keys. */
export async function playsReplay({ page, url, trouble }, check) {
  const context = { now: () => performance.now() / 1000, profile: undefined, coherence: false };
  const { data } = await SCENARIOS.find(({ name }) => name === "huge-window").run(context);
  await page.goto(`${url}#view=replay`);
  await region(page, "Replay").waitFor({ timeout: WAIT_MS });
  // The machines may be there already, or not yet.
  await page.keyboard.press(" ");
  await page.locator(".controls").getByRole("button", { name: "Pause" }).waitFor({ timeout: WAIT_MS });
  check("replay: it plays as soon as it can when it is told to before", true);
  await page.keyboard.press("Home");
  await page.locator(".act").first().waitFor({ timeout: WAIT_MS });
  const [walk, flag, counted, wait] = await tableOf(page);
  check(
    "replay: the walk looks at all TCEs, the flag and counts at none",
    [walk[1], flag[1], counted[1]].join("|") === `${ENTRIES} TCEs|0 TCEs|0 runs`,
  );
  const modelled = data.modelled.atCreate.find(
    ({ strategy, table }) => /page walk/.test(strategy) && table === "dense",
  );
  check(
    "replay: the guest stands still as long as in the scenario huge-window",
    walk[4] === `${modelled.blockedSeconds.toFixed(1)} s` && /RCU stall/.test(walk[5]),
    walk.join("|"),
  );
  check("replay: under TCG the first put walks", wait[1] === `${ENTRIES} TCEs`, wait.join("|"));
  await page.locator("body").press("ArrowRight");
  const clock = () => page.locator(".clock").innerText();
  const first = await clock();
  check("replay: the arrow goes to the next moment", first.startsWith("20.0 s"), first);
  await page.keyboard.press("ArrowRight");
  check(
    "replay: at 21 s Linux reports an RCU stall",
    /RCU stall/.test(await page.locator(".act").first().innerText()),
  );
  await page.keyboard.press("Home");
  await page.keyboard.press(" ");
  await page.waitForFunction(
    () => !document.querySelector(".clock").textContent.startsWith("0.0 s"),
    undefined,
    {
      timeout: WAIT_MS,
    },
  );
  check("replay: the space key plays", true);
  // Where things may move, the clock is between two moments, and stands still in a pause.
  await page.emulateMedia({ reducedMotion: "no-preference" });
  await page.keyboard.press("Home");
  await page.keyboard.press(" ");
  await page.waitForFunction(
    () => /^(?!0\.0|20\.0|21\.0)\d+\.\d s/.test(document.querySelector(".clock").textContent),
    undefined,
    { timeout: WAIT_MS },
  );
  await page.keyboard.press(" ");
  const stopped = await clock();
  await page.waitForTimeout(300);
  check("replay: the space key pauses", (await clock()) === stopped, stopped);
  await page.keyboard.press("End");
  const end = await page.locator(".act").first().innerText();
  check("replay: at the end all was looked at", end.includes(ENTRIES), end);
  await page.getByRole("button", { name: "a device is plugged" }).click();
  await page.getByRole("button", { name: "KVM" }).click();
  await page.waitForFunction(
    () => /1 of 17/.test(document.querySelector("details.table tbody")?.textContent ?? ""),
    undefined,
    {
      timeout: WAIT_MS,
    },
  );
  const [, plugFlag, plugCounted] = await tableOf(page);
  check(
    "replay: when a device is plugged the flag does not help",
    plugFlag[1] === `${ENTRIES} TCEs` && plugCounted[1] === "16 runs",
    plugFlag.join("|"),
  );
  await page.getByRole("button", { name: "one piece" }).click();
  await page.waitForFunction(
    () => (document.querySelector(".real-walk progress")?.value ?? 0) > 0,
    undefined,
    {
      timeout: WAIT_MS,
    },
  );
  const steps = await page.evaluate(() => document.querySelector(".real-walk progress").value);
  const text = await page.locator(".real-walk").innerText();
  check(
    "replay: the engine really walks, and counts",
    steps === 2 ** 21 && /, 1 mapped/.test(text),
    `${steps} ${text}`,
  );
  await page.getByRole("button", { name: "walk on" }).click();
  await page.waitForFunction(() => document.querySelector(".real-walk progress").value > 2 ** 22, undefined, {
    timeout: WAIT_MS,
  });
  await page.getByRole("button", { name: "pause" }).click();
  await page.waitForTimeout(600);
  const paused = await page.evaluate(() => document.querySelector(".real-walk progress").value);
  await page.waitForTimeout(600);
  const later = await page.evaluate(() => document.querySelector(".real-walk progress").value);
  check("replay: a walk can be paused", paused === later, `${paused} ${later}`);
  check("the replay leaves the console silent", trouble.length === 0, trouble.join("; "));
}

/** Puts the keyboard on a button by Tab alone. */
async function tabTo(page, name) {
  for (let i = 0; i < 120; i++) {
    await page.keyboard.press("Tab");
    const here = await page.evaluate(() => {
      const { activeElement: element } = document;
      return `${element?.getAttribute("aria-label") ?? ""} ${element?.textContent ?? ""}`;
    });
    if (here.includes(name)) return;
  }
  throw new Error(`Tab does not come to ${name}`);
}

const stepOf = (page) => page.evaluate(() => Number(document.querySelector(".tour")?.dataset.step ?? -1));

/** Waits until a step of the tour is done. */
const stepDone = (page, step) =>
  page.waitForFunction((past) => Number(document.querySelector(".tour")?.dataset.step ?? -1) > past, step, {
    timeout: WAIT_MS,
  });

const HEADER = '{"header":1,"phbs":[{"index":0}]}';
const put = (tce, ioba = "0x1000") =>
  `{"op":"h_put_tce","liobn":"0x80000000","ioba":"${ioba}","tce":"${tce}"}`;
const READ = '{"op":"dma_read","phb":0,"iova":"0x1000","len":16}';

/** What the keyboard does in each step of each tour; a key is for what is there. */
const TOURS = {
  "Build a TCE": [
    async (page) => {
      await region(page, "Script").getByRole("textbox").first().waitFor({ timeout: WAIT_MS });
      await page.keyboard.press("Control+Enter");
    },
    ...[
      [put("0x1000000")],
      [put("0x1000001")],
      [put("0x1000003")],
      [put("0x1000003"), READ],
      [put("0x3", "0x40000000")],
    ].map((lines) => (page) => runScript(page, `${[HEADER, ...lines].join("\n")}\n`)),
    async (page) => {
      await tabTo(page, "open as a recording");
      await page.keyboard.press("Enter");
    },
  ],
  "Why the replay took minutes": [
    async (page) => {
      await page.locator(".act").first().waitFor({ timeout: WAIT_MS });
      await page.keyboard.press(" ");
    },
    async (page) => {
      for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowRight");
    },
    (page) => page.keyboard.press("End"),
    async (page) => {
      await tabTo(page, "a device is plugged");
      await page.keyboard.press("Enter");
    },
    async (page) => {
      await tabTo(page, "KVM");
      await page.keyboard.press("Enter");
      await page.waitForFunction(
        () => /44\.0 s/.test(document.querySelector(".clock")?.textContent ?? ""),
        undefined,
        { timeout: WAIT_MS },
      );
      await page.keyboard.press("End");
    },
    async (page) => {
      await tabTo(page, "one piece");
      await page.keyboard.press("Enter");
    },
  ],
  "Find this leak": [
    () => {},
    async (page) => {
      for (let i = 0; i < 20; i++) {
        await page.keyboard.press("p");
        await page.waitForTimeout(100);
        if (/leak/.test(await page.locator('.finding[aria-current="true"]').innerText())) return;
      }
    },
    (page) => page.keyboard.press("m"),
    (page) => page.keyboard.press("f"),
    async (page) => {
      await page.evaluate(() => document.querySelector(".tour").focus());
      await tabTo(page, "show me");
      await page.keyboard.press("Enter");
      await page.keyboard.press("Enter");
    },
    async (page) => {
      await page.evaluate(() => document.querySelector(".tour").focus());
      await tabTo(page, "show me");
      await page.keyboard.press("Enter");
      await page.keyboard.type("what");
    },
  ],
};

/** Each tour from its start to its end, without a mouse; it notices each step, and goes on. */
export async function makesTours({ page, url, trouble }, check) {
  for (const [title, acts] of Object.entries(TOURS)) {
    await page.goto("about:blank");
    await page.goto(url);
    await page.getByRole("navigation", { name: "Views" }).waitFor({ timeout: WAIT_MS });
    await tabTo(page, "Tours");
    await page.keyboard.press("Enter");
    await region(page, "Tours").waitFor({ timeout: WAIT_MS });
    await tabTo(page, title);
    await page.keyboard.press("Enter");
    await region(page, "Tour").waitFor({ timeout: WAIT_MS });
    for (const [i, act] of acts.entries()) {
      const at = await stepOf(page);
      if (at > i) continue;
      await act(page);
      await stepDone(page, i).catch(() => {});
      const now = await stepOf(page);
      check(
        `tour, ${title}: step ${i + 1} is done by keys alone`,
        now === i + 1,
        `step ${now}: ${await page.locator(".tour-say").innerText()}`,
      );
      if (now !== i + 1) break;
    }
    const end = await region(page, "Tour").innerText();
    check(`tour, ${title}: it ends`, /done/.test(end), end);
  }
  check("tours leave the console silent", trouble.length === 0, trouble.join("; "));
}
