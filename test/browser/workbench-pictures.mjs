/**
 * Pictures of the whole page, compared with those in `pictures/`: letters are boxes, times and sizes are fixed, so that what
 * differs is the page. `RENEW=1 PARTS=looksAsBefore npm run test:browser` writes them anew; look at them before you commit.
 *
 * @module
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { boxFont } from "./box-font.mjs";
import { openPage, settled, WAIT_MS } from "./page-driver.mjs";

const FOLDER = path.join(import.meta.dirname, "pictures");

/** Pixels of a square whose mean colour is compared: smaller than any panel, larger than how edges are smoothed. */
const SQUARE = 8;
/** A channel that differs by so much of 255 is another colour. */
const MOST = 10;
/** Squares that may differ, of those of the whole page. */
const PART = 0.002;

const LOOKS = [
  {
    name: "findings-light",
    hash: "example=planted.txt.gz&finding=1&at=12&space=0000:00:04.0&time=0,0.06&mark=5",
  },
  {
    name: "faults-dark",
    hash: "example=stray-dma.log.gz&finding=0&at=1375&space=0x80000000&colour=age",
    colorScheme: "dark",
  },
  {
    name: "entries-light",
    hash: "example=never-unmapped.log.gz&at=2000&space=0x80000000&heat=0,0,0&colour=size&size=side:240,lines:140",
  },
  {
    name: "narrow-dark",
    hash: "example=boot.log.gz&at=3000&space=0x80000000",
    colorScheme: "dark",
    viewport: { width: 390, height: 720 },
  },
  { name: "first-light", hash: "" },
];

/** A page whose letters are boxes. */
async function openBoxed(browser, url, hash, options) {
  const opened = await openPage(browser, url, { ...options, bypassCSP: true, deviceScaleFactor: 1 });
  const { page } = opened;
  await page.goto(`${url}${hash === "" ? "" : `#${hash}`}`);
  const font = `data:font/ttf;base64,${boxFont().toString("base64")}`;
  await page.addStyleTag({
    content: `@font-face { font-family: Box; src: url(${font}); }
      :root { --font: Box !important; --mono: Box !important; }
      *, ::placeholder { caret-color: transparent !important; }
      ::-webkit-scrollbar { display: none; }`,
  });
  const isLoaded = await page.evaluate(async () => {
    await document.fonts.load("13px Box");
    return document.fonts.check("13px Box");
  });
  // What is on a canvas already is drawn anew with the letters.
  await page.emulateMedia({ colorScheme: options.colorScheme === "dark" ? "light" : "dark" });
  await page.waitForTimeout(100);
  await page.emulateMedia({ colorScheme: options.colorScheme ?? "light" });
  return { ...opened, isLoaded };
}

/** Squares of two pictures, and those that are not the same; both are decoded by the page. */
const differenceOf = (page, before, now) =>
  page.evaluate(
    async ({ before, now, square, most }) => {
      const read = async (base64) => {
        const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
        const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
        const canvas = new OffscreenCanvas(image.width, image.height);
        const context = canvas.getContext("2d", { willReadFrequently: true });
        context.drawImage(image, 0, 0);
        return context.getImageData(0, 0, image.width, image.height);
      };
      const [a, b] = [await read(before), await read(now)];
      if (a.width !== b.width || a.height !== b.height)
        return { squares: 1, different: 1, first: `${a.width}x${a.height}, now ${b.width}x${b.height}` };
      const meanOf = ({ data, width }, x, y, channel) => {
        let sum = 0;
        for (let i = 0; i < square; i++)
          for (let j = 0; j < square; j++) sum += data[((y + i) * width + x + j) * 4 + channel];
        return sum / square ** 2;
      };
      let [squares, different, first] = [0, 0, ""];
      for (let y = 0; y + square <= a.height; y += square) {
        for (let x = 0; x + square <= a.width; x += square) {
          squares++;
          const isSame = [0, 1, 2].every(
            (channel) => Math.abs(meanOf(a, x, y, channel) - meanOf(b, x, y, channel)) <= most,
          );
          if (isSame) continue;
          different++;
          first ||= `the first at ${x}, ${y}`;
        }
      }
      return { squares, different, first };
    },
    { before: before.toString("base64"), now: now.toString("base64"), square: SQUARE, most: MOST },
  );

/** The page looks as it did. */
async function looksAsBefore(browser, url, check) {
  mkdirSync(FOLDER, { recursive: true });
  for (const { name, hash, ...options } of LOOKS) {
    const { page, close, isLoaded } = await openBoxed(browser, url, hash, options);
    check(`${name}: letters are boxes`, isLoaded);
    if (hash !== "") {
      await page.waitForFunction(
        () =>
          /\d events?$/.test(document.querySelector(".file")?.textContent ?? "") &&
          document.querySelector(".rows table") !== null,
        undefined,
        { timeout: WAIT_MS },
      );
    }
    const now = Buffer.from(
      await settled(async () => (await page.screenshot()).toString("base64")),
      "base64",
    );
    const file = path.join(FOLDER, `${name}.png`);
    if (process.env.RENEW === "1") writeFileSync(file, now);
    const before = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    const { squares, different, first } = await differenceOf(page, before, now);
    check(
      `${name} looks as before`,
      different <= squares * PART,
      `${different} of ${squares} squares differ, ${first}`,
    );
    if (name === LOOKS[0].name) {
      // The comparison itself: a panel that is wider by half a letter is seen.
      await page.evaluate(() => document.querySelector(".app").style.setProperty("--side", "305px"));
      const moved = await page.screenshot();
      const seen = await differenceOf(page, before, moved);
      check(
        "a panel that moved by five pixels is seen",
        seen.different > seen.squares * PART,
        `${seen.different} squares`,
      );
    }
    await close();
  }
}

export const PICTURES = { looksAsBefore };
