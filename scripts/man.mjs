/**
 * `npm run man`: writes man/spapr-iommu.1 from the verbs of the build.
 *
 * @module
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { allCommands, SUMMARY } from "../dist/cli/command-line.js";
import { manPage } from "../dist/cli/man-page.js";
import { EXIT_TEXT } from "../dist/cli/output.js";

mkdirSync(new URL("../man/", import.meta.url), { recursive: true });
writeFileSync(
  new URL("../man/spapr-iommu.1", import.meta.url),
  manPage({ summary: SUMMARY, verbs: await allCommands(), exitText: EXIT_TEXT }),
);
