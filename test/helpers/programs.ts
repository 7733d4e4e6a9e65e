import { execFileSync } from "node:child_process";

const known = new Map<string, boolean>();

/** Is a program there? It is started once: a process as large as that of the tests takes long to start another one. */
export function hasProgram(program: string): boolean {
  if (!known.has(program)) known.set(program, starts(program));
  return known.get(program)!;
}

function starts(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
