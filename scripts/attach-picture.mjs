/**
 * `npm run attach-picture`: draws the picture of docs/attach.md anew: what `attach` shows on a terminal while a log that
 * a real QEMU wrote is written again, for a monitor that answers as QEMU's.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { startMonitor } from "../bench/fake-monitor.mjs";
import { TerminalPicture } from "./terminal-picture.mjs";

const COLUMNS = 100;
const ROWS = 18;
/** A guest with NVMe and e1000, of which a driver leaks. */
const LOG = new URL("../test/corpus/traces/default-1g-nvme-e1000-linux72.log.gz", import.meta.url);
/** Of the log in each tenth of a second. */
const LINES = 60;
/** When the picture is taken: in the middle of the work. */
const AT_EVENT = 3400;
const MAIN = fileURLToPath(new URL("../dist/program/main.js", import.meta.url));
const DOCUMENT = new URL("../docs/attach.md", import.meta.url);
const PICTURE = /(<!-- npm run attach-picture -->\n).*?(<!-- end -->)/s;

const folder = mkdtempSync(path.join(tmpdir(), "attach-picture-"));
const log = path.join(folder, "qemu.log");
writeFileSync(log, "");
const stop = await startMonitor(path.join(folder, "qmp"));
const command = `stty rows ${ROWS} cols ${COLUMNS}; cd ${folder}; exec ${process.execPath} ${MAIN} attach --qmp qmp --log qemu.log --base none`;
const child = spawn("script", ["-q", "-f", "-c", command, "/dev/null"], {
  stdio: ["pipe", "pipe", "ignore"],
  env: { ...process.env, SHELL: "/bin/sh", LANG: "C.UTF-8", LC_ALL: "", NO_COLOR: "1" },
});
let output = "";
child.stdout.on("data", (chunk) => {
  output += chunk;
});
const lines = gunzipSync(readFileSync(LOG)).toString().trimEnd().split("\n");
const writing = setInterval(() => {
  appendFileSync(
    log,
    lines
      .splice(0, LINES)
      .map((line) => `${line}\n`)
      .join(""),
  );
}, 100);
const shown = () => new TerminalPicture(COLUMNS, ROWS).write(output).lines;
/** Events that are read, as the screen says it. */
const read = () => Number(/([\d,]+) events /.exec(shown()[0])?.[1].replaceAll(",", "") ?? 0);
while (read() < AT_EVENT) await new Promise((resolve) => setTimeout(resolve, 100));
const picture = shown();
clearInterval(writing);
child.stdin.write("q");
await new Promise((resolve) => child.on("close", resolve));
stop();
rmSync(folder, { recursive: true });
const text = readFileSync(DOCUMENT, "utf8");
if (!PICTURE.test(text)) throw new Error("docs/attach.md has no place for the picture");
const drawn = picture.map((line) => (line === "" ? "" : `    ${line}`)).join("\n");
writeFileSync(
  DOCUMENT,
  text.replace(PICTURE, (_all, before, after) => `${before}\n${drawn}\n\n${after}`),
);
