/**
 * The page of `spapr-iommu report`, opened from a file in headless Chromium.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { openPage } from "./page-driver.mjs";
import { hasNoViolation } from "./workbench.mjs";

const ROOT = path.resolve(import.meta.dirname, "../..");

const TRACES = ["dma-ppc64le-linux612-planted.txt.gz", "faults-stray-dma-e1000-nvme-linux61.log.gz"];

/** All checks of a report. */
export async function checkReport(browser, check) {
  const folder = mkdtempSync(path.join(tmpdir(), "report-"));
  try {
    const file = path.join(folder, "report.html");
    const inputs = TRACES.map((name) => path.join(ROOT, "test/corpus/traces", name));
    const program = path.join(ROOT, "dist/cli/main.js");
    try {
      execFileSync(process.execPath, [program, "report", ...inputs, "-o", file]);
      check("report exits with 2 where there are errors", false);
    } catch ({ status }) {
      check("report exits with 2 where there are errors", status === 2, `${status}`);
    }
    const url = pathToFileURL(file).href;
    const backgrounds = new Set();
    for (const colorScheme of ["light", "dark"]) {
      for (const width of [1280, 390]) {
        const options = { colorScheme, viewport: { width, height: 720 } };
        const { page, trouble, close } = await openPage(browser, url, options);
        await page.goto(url);
        const look = await page.evaluate(() => {
          const paths = [...document.querySelectorAll("svg[role=img] path")];
          return {
            background: getComputedStyle(document.body).backgroundColor,
            isStyled: paths.every((path) => /rgb|url/.test(getComputedStyle(path).fill)),
            fills: new Set(paths.map((path) => getComputedStyle(path).fill)).size,
            isWide: document.documentElement.scrollWidth > innerWidth,
          };
        });
        backgrounds.add(look.background);
        const what = `${colorScheme}, ${width} px`;
        check(`its pictures have colours, ${what}`, look.isStyled && look.fills > 4, JSON.stringify(look));
        check(`nothing is wider than the report, ${what}`, !look.isWide);
        await page.locator(`a[href="#f1-n2"]`).click();
        await page.waitForFunction(() => location.hash === "#f1-n2");
        check(
          `a report leaves the console silent, and asks for nothing, ${what}`,
          trouble.length === 0,
          trouble.join("; "),
        );
        await hasNoViolation(page, check, `a report, ${what}`);
        await close();
      }
    }
    check("a report is light or dark", backgrounds.size === 2, [...backgrounds].join(" "));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
