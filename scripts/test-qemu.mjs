/**
 * `npm run test:qemu [-- --qemu PROGRAM]`: the tests with a real QEMU, the one on the path or another one
 * (scripts/fetch-qemu.sh); `--libvirt FOLDER`: with the libvirt that lies there (scripts/fetch-libvirt.sh). Other
 * arguments are for Vitest.
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
const qemu = optionValue("--qemu");
if (qemu !== undefined) process.env.QEMU_PPC64 = qemu;
const libvirt = optionValue("--libvirt");
// Daemons are not on everybody's path.
const folders = [...(libvirt === undefined ? [] : [path.resolve(libvirt)]), process.env.PATH, "/usr/sbin"];
process.env.PATH = folders.join(":");

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
const { stdout: libvirtd, error: missing } = spawnSync("libvirtd", ["--version"], { encoding: "utf8" });
if (missing === undefined) console.log(`libvirt ${libvirtd.trim().split(" ").at(-1)}`);
else {
  args.push("--exclude", "test/qemu/libvirt.test.ts");
  console.log(
    "NOT TESTED: libvirt, which is not here (scripts/fetch-libvirt.sh 12.9 FOLDER, --libvirt FOLDER)",
  );
}
const { status } = spawnSync("vitest", ["run", "-c", "vitest.qemu.config.ts", ...args], { stdio: "inherit" });
process.exitCode = status ?? 1;

/** Takes an option and its value out of the arguments. */
function optionValue(option) {
  const at = args.findIndex((arg) => arg === option || arg.startsWith(`${option}=`));
  if (at < 0) return undefined;
  const isSeparate = args[at] === option;
  const [first, second] = args.splice(at, isSeparate ? 2 : 1);
  const given = isSeparate ? second : first.slice(option.length + 1);
  if (!given) throw new Error(`${option} needs a value`);
  return given;
}
