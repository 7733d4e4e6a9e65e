import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { followFeed } from "../../live/live-feed.ts";
import { makePrivateFolder } from "../../live/private-folder.ts";
import { Exit } from "../exit-status.ts";
import { untilInterrupted } from "../interrupt.ts";
import { feedOf, isLive, type LiveOptions, liveOptions, statusOfEnd, tell } from "../live-options.ts";
import { quietOption, text, value, wholeNumber } from "../options.ts";
import { print } from "../output.ts";
import { packageFile } from "../package-files.ts";
import { SeekableFile } from "../seekable-file.ts";
import { LiveStream } from "../serve/live-stream.ts";
import { openBrowser } from "../serve/open-browser.ts";
import { PageFiles } from "../serve/page-files.ts";
import { type PageContent, PageServer } from "../serve/page-server.ts";
import { splitLogs } from "../split-logs.ts";
import { defineVerb, type Verb } from "../verb.ts";

export interface UiOptions extends LiveOptions {
  readonly port: number;
  readonly open: boolean;
  readonly quiet: boolean;
}

/** `ui FILE...`, `ui --qmp SOCKET`: serves the workbench to a browser of this machine, until it is asked to end. */
export async function ui(paths: readonly string[], options: UiOptions): Promise<number> {
  const page = new PageFiles(packageFile("dist/workbench/page"));
  const folder = await makePrivateFolder(tmpdir());
  const files: SeekableFile[] = [];
  try {
    return await untilInterrupted(async (signal) => {
      for (const path of paths.flatMap(splitLogs)) files.push(await SeekableFile.open(path, folder, signal));
      return await serve({ page, files }, options, folder, signal);
    });
  } finally {
    for (const file of files) await file.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function serve(
  content: Pick<PageContent, "page" | "files">,
  options: UiOptions,
  folder: string,
  signal: AbortSignal,
): Promise<number> {
  const live = isLive(options) ? new LiveStream() : undefined;
  let log: SeekableFile | undefined;
  const server = await PageServer.listen(options.port, { ...content, live, log: () => log });
  print(server.url);
  const show = (): void => {
    if (options.open) openBrowser(server.url, folder);
  };
  try {
    if (live === undefined) {
      show();
      await ended(signal, options.for);
      return Exit.OK;
    }
    const end = await followFeed(feedOf(options, false, signal), (item) => {
      live.take(item);
      if (!options.quiet) tell(item, true);
      if (item.type !== "attached") return;
      show();
      // Who cannot read it, as that of a domain, follows it nevertheless, by virsh.
      SeekableFile.open(item.log, folder).then(
        (file) => {
          log = file;
        },
        () => {},
      );
    });
    if (end.error !== undefined) throw end.error;
    // A machine that ended can be looked at.
    if (end.reason === "qemu-ended") await ended(signal);
    return statusOfEnd(end);
  } finally {
    await server.close();
    await log?.close();
  }
}

/** Waits until it is asked to end, or for some seconds. */
const ended = (signal: AbortSignal, seconds?: number): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => resolve(), seconds === undefined ? 2 ** 31 - 1 : seconds * 1000);
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener("abort", end);
  });

export const verb: Verb = defineVerb({
  name: "ui",
  summary: "serve the workbench, a page that shows files or a running QEMU, to a browser of this machine",
  arguments: [
    [
      "[file...]",
      "what check reads, opened in the page at once; others can be dropped there; - for standard input",
    ],
  ],
  screen: "unused",
  options: [
    value("--port <number>", "port of 127.0.0.1", wholeNumber(0, 65_535)).default(0, "any that is free"),
    text("--no-open", "only print the address; otherwise it is opened by xdg-open, if that is there"),
    ...liveOptions(),
    quietOption("print the address only"),
  ],
  examples: ["ui qemu.log", "ui --no-open --port 8080 before.log after.log", "ui --qmp qmp.sock"],
  exitText:
    "Exit status: 0 it was asked to end (with --qmp and --domain that of attach), 1 could not be done. The address is the only line of standard output.",
  run: ui,
});
