#!/bin/sh
# Seen with Node 20.20.2 (libuv 1.46.0) on Linux 6.x, x86-64, 2026-11-28.
#
# `process.resourceUsage().maxRSS` of a child process is not the peak of that child: it begins with the memory that the
# parent used when it started the child, since Linux keeps the peak of a process (ru_maxrss of getrusage) when it runs
# another program. A test runner of 600 MB that measures a tool of 40 MB so reads about 590 MB. VmHWM of
# /proc/self/status starts again with the new program, and is right.
#
# Who measures memory of child processes reads VmHWM, or starts them from a small process.
#
# Needs Node only. Prints what both say below a small and a large parent; exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/parent.mjs" <<'JS'
import { spawnSync } from "node:child_process";

const CHILD = `
  const { readFileSync } = require("node:fs");
  const [, own] = /VmHWM:\\s+(\\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
  console.log(process.resourceUsage().maxRSS, own);
`;
const measure = () =>
  spawnSync(process.execPath, ["-e", CHILD], { encoding: "utf8" }).stdout.trim().split(" ").map(Number);

const [small, smallOwn] = measure();
const held = Buffer.alloc(400e6, 1);
const [large, largeOwn] = measure();
console.log(`node ${process.version}, libuv ${process.versions.uv}, kB: maxRSS and VmHWM of a child`);
console.log(`below a small parent:         ${small} ${smallOwn}`);
console.log(`below one that holds ${held.length / 1e6} MB: ${large} ${largeOwn}`);
const isAsSeen = large > 350_000 && largeOwn < 150_000 && small < 150_000;
console.log(isAsSeen ? "as seen" : "not as seen any more");
process.exitCode = isAsSeen ? 0 : 1;
JS
node "$folder/parent.mjs"
