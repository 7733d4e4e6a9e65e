import { readdirSync } from "node:fs";
import path from "node:path";
import { expect } from "vitest";
import { cli } from "../cli.ts";

const FOLDER = path.resolve(import.meta.dirname, "../../corpus");

/** Recordings of a kind, and which of them have known differences; any of them may where that is undefined. */
interface Kind {
  readonly kind: string;
  readonly profile: readonly string[];
  readonly differing: RegExp | undefined;
}

/** All recordings, each as the system that it was recorded with. */
export const CORPUS: readonly Kind[] = [
  { kind: "hcall", profile: [], differing: /\/host-shift-64/ },
  { kind: "vfio", profile: [], differing: /never/ },
  { kind: "kvm", profile: [], differing: /never/ },
  { kind: "vfio-user", profile: [], differing: /never/ },
];

export const OTHER_PROFILES: readonly Kind[] = [
  { kind: "vfio-user", profile: ["--profile", "qemu-11.1"], differing: /never/ },
  // Without that profile, where QEMU leaves a device on a wrong page.
  { kind: "vfio-user", profile: ["--profile", "qemu-7.2"], differing: undefined },
];

interface FileReport {
  readonly file: string;
  readonly operations: number;
  readonly same: number;
  readonly known: readonly unknown[];
  readonly hazards: readonly unknown[];
  readonly mismatches: readonly unknown[];
}

/** `exec --check` reproduces recordings, known differences aside. */
export async function reproduces(
  { kind, profile, differing }: Kind,
  takes: (name: string, i: number) => boolean,
): Promise<void> {
  const folder = path.join(FOLDER, kind);
  const files = readdirSync(folder)
    .filter(takes)
    .map((name) => path.join(folder, name));
  const { status, stdout } = await cli(["exec", "--check", "--output", "json", ...profile, ...files]);
  const { files: reports } = JSON.parse(stdout) as { files: FileReport[] };
  expect(reports).toHaveLength(files.length);
  expect(files.length).toBeGreaterThan(5);
  for (const report of reports) {
    expect(report.mismatches, report.file).toEqual([]);
    expect(report.same + report.known.length, report.file).toBe(report.operations);
    if (differing === undefined) continue;
    expect(report.known.length > 0, report.file).toBe(differing.test(report.file));
    if (differing.test(report.file)) expect(report.hazards.length, report.file).toBeGreaterThan(0);
  }
  expect(status).toBe(0);
}
