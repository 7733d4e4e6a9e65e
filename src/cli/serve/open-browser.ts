import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

/**
 * Shows a page in the user's browser, if there is one. The address has a token, and what a process was started with is seen by
 * all users of a machine: the browser is given a file of ours that leads there.
 *
 * @param folder that is our user's alone
 */
export function openBrowser(url: string, folder: string): void {
  const file = path.join(folder, "open.html");
  const text = `<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url=${url}">\n`;
  writeFileSync(file, text, { flag: "wx", mode: 0o600 });
  const opener = spawn("xdg-open", [pathToFileURL(file).href], { stdio: "ignore", detached: true });
  // There is none: the address was printed.
  opener.on("error", () => {});
  opener.unref();
}
