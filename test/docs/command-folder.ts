import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Makes `bin` in a folder, with `npx` and `spapr-iommu` for commands as documents have them, and the corpus where it is. */
export function makeCommands(folder: string): void {
  mkdirSync(path.join(folder, "bin"));
  mkdirSync(path.join(folder, "test"));
  symlinkSync(path.join(ROOT, "test/corpus"), path.join(folder, "test/corpus"));
  const command = path.join(folder, "bin/spapr-iommu");
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${ROOT}/dist/program/main.js" "$@"\n`);
  chmodSync(command, 0o755);
  const npx = path.join(folder, "bin/npx");
  writeFileSync(npx, '#!/bin/sh\nexec "$@"\n');
  chmodSync(npx, 0o755);
}

/** The environment in which a shell finds these commands. */
export const commandEnvironment = (folder: string): NodeJS.ProcessEnv => ({
  ...process.env,
  NO_COLOR: "1",
  PATH: `${folder}/bin:${process.env.PATH}`,
});
