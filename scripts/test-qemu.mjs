/**
 * `npm run test:qemu [-- --qemu PROGRAM]`: the tests with a real QEMU, the one on the path or another one
 * (scripts/fetch-qemu.sh). Other arguments are for Vitest.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import path from "node:path";
import { findQemu } from "../dist/live/qemu-program.js";

/** The first QEMU that has vfio-user-pci. */
const FIRST_WITH_VFIO_USER = 11;

/** The PC's program lies beside the pSeries one. */
const pcProgram = (pseries) => path.join(path.dirname(pseries), "qemu-system-x86_64");

const args = process.argv.slice(2);
const at = args.findIndex((arg) => /^--qemu(?:=|$)/.test(arg));
if (at >= 0) {
  const [option, ...rest] = args[at].split("=");
  const separate = rest.length === 0;
  process.env.QEMU_PPC64 = separate ? args[at + 1] : rest.join("=");
  args.splice(at, separate ? 2 : 1);
  if (!process.env.QEMU_PPC64) throw new Error(`${option} needs a program`);
}
const { program, major, version } = await findQemu();
console.log(`QEMU ${version}, SHARE=${process.env.SHARE ?? 1}`);
const FETCH = "(scripts/fetch-qemu.sh 11.1 FOLDER, --qemu PROGRAM)";
if (major < FIRST_WITH_VFIO_USER) {
  args.push("--exclude", "test/qemu/vfio-user*.test.ts");
  console.log(`NOT TESTED: vfio-user, which QEMU has from 11 on ${FETCH}`);
} else if (spawnSync(pcProgram(program), ["--version"]).status !== 0) {
  args.push("--exclude", "test/qemu/vfio-user-pc.test.ts");
  console.log(`NOT TESTED: vfio-user with a PC, as there is no ${pcProgram(program)} ${FETCH}`);
}
const { status } = spawnSync("vitest", ["run", "-c", "vitest.qemu.config.ts", ...args], { stdio: "inherit" });
process.exitCode = status ?? 1;
