import { format } from "node:util";
import { vi } from "vitest";

/** What something prints by `console.log`, line by line. */
export async function printedBy(run: () => Promise<unknown>): Promise<string> {
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((...args) => void lines.push(format(...args)));
  try {
    await run();
  } finally {
    log.mockRestore();
  }
  return lines.join("\n");
}
