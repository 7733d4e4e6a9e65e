// Compiles the inner loop of the readers of text to WebAssembly, and writes it as a module of text. `--check` says
// whether that is what is there.
//
//     npm run matcher
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const COMPILER = "assemblyscript@0.28.20";
const SOURCE = path.join(import.meta.dirname, "line-matcher.ts");
const MODULE = path.resolve(import.meta.dirname, "../../src/formats/lines/line-matcher-code.ts");

const folder = mkdtempSync(path.join(tmpdir(), "matcher-"));
try {
  const out = path.join(folder, "line-matcher.wasm");
  const options = [
    "-O3",
    "--noAssert",
    "--runtime",
    "stub",
    "--enable",
    "simd",
    "--initialMemory",
    "8",
    "--maximumMemory",
    "8",
  ];
  // Not among the packages of this one: with its compiler it is larger than all of them.
  execFileSync("npx", ["--yes", "-p", COMPILER, "asc", SOURCE, "-o", out, ...options], {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const text = moduleOf(readFileSync(out), readFileSync(SOURCE));
  if (!process.argv.includes("--check")) writeFileSync(MODULE, text);
  else if (readFileSync(MODULE, "utf8") !== text) {
    console.error(
      "src/formats/lines/line-matcher-code.ts is not what its source compiles to: npm run matcher",
    );
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function moduleOf(code, source) {
  const lines = code.toString("base64").match(/.{1,100}/g);
  return `// Made by tools/matcher/compile.mjs from tools/matcher/line-matcher.ts, with ${COMPILER}.

/** SHA-256 of the source, in hexadecimal digits. */
export const MATCHER_SOURCE = "${createHash("sha256").update(source).digest("hex")}";

/** The module of WebAssembly, in Base64. */
export const MATCHER_CODE: string = [
${lines.map((line) => `  "${line}",`).join("\n")}
].join("");
`;
}
