#!/bin/sh
# Seen with QEMU 7.2.22 (Debian 12, qemu-system-ppc 1:7.2+dfsg-7+deb12u18+b3), 2026-11-28.
#
# The monitor's `log none`, whose help says "remove all logs", does not end the trace events that `-d trace:PATTERN` or
# `log trace:PATTERN` switched on: they are still written to the file of `-D`, and `info trace-events` calls them on.
# A later `log trace:OTHER` adds to the old ones and does not replace them. So a log that was meant to hold one event
# holds all that were ever asked for. What ends an event is `trace-event NAME off` (QMP: trace-event-set-state).
#
# Who switches events on in a running QEMU switches them off one by one, and looks at the state of each before.
#
# Needs Debian 12 (apt-get, as root, for the download) and Node. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/partial"
apt-get -o Dir::Cache::archives="$folder" -o APT::Sandbox::User=root -qq -y --download-only --reinstall \
  --no-install-recommends install "qemu-system-ppc=1:7.2+dfsg-7+deb12u18+b3" qemu-system-common qemu-system-data >/dev/null
for package in "$folder"/*.deb; do dpkg -x "$package" "$folder/root"; done
cat > "$folder/ask.mjs" <<'JS'
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";

const folder = process.argv[2];
const log = `${folder}/qemu.log`;
const socket = `${folder}/qmp`;
const root = `${folder}/root/usr`;
const qemu = spawn(
  `${root}/bin/qemu-system-ppc64`,
  ["-L", `${root}/share/qemu`, "-L", `${root}/share/seabios`, "-M", "pseries-7.2", "-accel", "tcg", "-m", "256M", "-S"]
    .concat(["-nodefaults", "-display", "none", "-vga", "none", "-D", log, "-d", "trace:spapr_drc_*"])
    .concat(["-qmp", `unix:${socket},server=on,wait=off`]),
  { stdio: "ignore", env: { ...process.env, LD_LIBRARY_PATH: `${root}/lib/x86_64-linux-gnu` } },
);
while (!existsSync(socket)) await setTimeout(50);
const monitor = connect(socket);
const answers = createInterface({ input: monitor })[Symbol.asyncIterator]();
async function ask(execute, args) {
  monitor.write(`${JSON.stringify({ execute, arguments: args })}\n`);
  for (;;) {
    const answer = JSON.parse((await answers.next()).value);
    if ("return" in answer) return answer.return;
    if ("error" in answer) throw new Error(answer.error.desc);
  }
}
const monitorLine = (line) => ask("human-monitor-command", { "command-line": line });

/** Names of the events that a reset of the machine brings into the log. */
let from = 0;
async function eventsOfAReset() {
  from = readFileSync(log).length;
  await monitorLine("system_reset");
  await setTimeout(3000);
  const text = readFileSync(log).subarray(from).toString();
  return [...new Set(text.split("\n").map((line) => line.split(" ")[0]).filter((name) => name !== ""))].sort();
}

await ask("qmp_capabilities");
const version = (await ask("query-version")).package;
await monitorLine("log none");
const state = (await monitorLine("info trace-events spapr_drc_reset")).trim();
const afterNone = await eventsOfAReset();
await monitorLine("log trace:spapr_iommu_new_table");
const afterOther = await eventsOfAReset();
await monitorLine("trace-event spapr_drc_* off");
const afterOff = await eventsOfAReset();
await ask("quit");
monitor.end();
await new Promise((done) => qemu.once("close", done));

console.log(`QEMU ${version}, started with -d trace:spapr_drc_*`);
console.log(`after "log none":                       ${state}; a reset logs: ${afterNone.join(" ")}`);
console.log(`after "log trace:spapr_iommu_new_table": a reset logs: ${afterOther.join(" ")}`);
console.log(`after "trace-event spapr_drc_* off":     a reset logs: ${afterOff.join(" ")}`);
const isAsSeen =
  state.endsWith("state 1") &&
  afterNone.includes("spapr_drc_reset") &&
  afterOther.includes("spapr_drc_reset") && afterOther.includes("spapr_iommu_new_table") &&
  !afterOff.includes("spapr_drc_reset");
console.log(isAsSeen ? "as seen" : "not as seen any more");
process.exitCode = isAsSeen ? 0 : 1;
JS
node "$folder/ask.mjs" "$folder"
