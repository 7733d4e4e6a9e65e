import { execFile } from "node:child_process";
import { IommuError } from "../base/errors.ts";
import { recordedProfile } from "../spapr/profile.ts";

/** The oldest QEMU that the oracle was checked with. */
const OLDEST = [7, 2] as const;

/**
 * A `qemu-system-ppc64` that is there.
 *
 * @public
 */
export interface QemuProgram {
  readonly program: string;
  /** Arguments that belong to the command, before ours. */
  readonly firstArguments: readonly string[];
  /** As QEMU prints it, such as `7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`. */
  readonly version: string;
  readonly major: number;
  readonly minor: number;
}

/**
 * Looks for QEMU.
 *
 * @param command a program, or a program and its first arguments separated by blanks
 * @throws IommuError UNSUPPORTED if it cannot be run, is no QEMU, or is older than 7.2
 * @public
 */
export async function findQemu(
  command: string = process.env.QEMU_PPC64 || "qemu-system-ppc64",
): Promise<QemuProgram> {
  const [program = "", ...firstArguments] = command.trim().split(/\s+/);
  const text = await versionText(program, firstArguments);
  const match = /^QEMU emulator version ((\d+)\.(\d+).*)$/m.exec(text);
  if (match === null) {
    throw new IommuError(
      "UNSUPPORTED",
      `${program} is not QEMU: it says ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
  const version = match[1]!;
  const major = Number(match[2]);
  const minor = Number(match[3]);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    throw new IommuError("UNSUPPORTED", `QEMU ${version} is older than ${OLDEST.join(".")}`, { version });
  }
  return { program, firstArguments, version, major, minor };
}

function versionText(program: string, firstArguments: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, [...firstArguments, "--version"], { timeout: 60_000 }, (cause, stdout) => {
      if (cause === null) {
        resolve(stdout);
        return;
      }
      const missing = cause.code === "ENOENT";
      const message = missing
        ? `QEMU is not installed: there is no "${program}" (set QEMU_PPC64 or --qemu; Debian's package is qemu-system-ppc)`
        : `${program} --version failed: ${cause.message.split("\n")[0]}`;
      reject(new IommuError("UNSUPPORTED", message, { program }, { cause }));
    });
  });
}

/**
 * The name of the profile that imitates a version of QEMU: that of recordings of it.
 *
 * @public
 */
export const profileOf = ({ version }: QemuProgram): string => recordedProfile(version).name;
