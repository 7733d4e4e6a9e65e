/**
 * Writes docs/findings.md: what each kind of finding means, an example with what `check` says about it, which thresholds
 * decide, and what to do; all from the code.
 */
import { writeFileSync } from "node:fs";
import { findingsDocument } from "./findings-document.mjs";

writeFileSync(new URL("../docs/findings.md", import.meta.url), await findingsDocument());
