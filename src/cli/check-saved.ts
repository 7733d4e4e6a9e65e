import { IommuError } from "../base/errors.ts";
import { formatCount } from "../base/units.ts";
import type { CheckOptions } from "../check/check-options.ts";
import { AgainstCheck, type AgainstCheckReport, sumOfAgreements } from "../check/saved/against-check.ts";
import { checkStream } from "../check/saved/stream-check.ts";
import type { Moment } from "../check/state/window-state.ts";
import type { CheckReport } from "../check/trace-check.ts";
import { isMigrationStream, MAGIC_BYTES } from "../formats/migration/configuration.ts";
import { readMigration, readMigrationAsFar } from "../formats/migration/reader.ts";
import type { SavedWindow } from "../formats/migration/stream.ts";
import { displayName, peekInput } from "./input.ts";
import { openSavedMachine } from "./saved-machine.ts";
import { feed } from "./trace-file.ts";

/**
 * Checks a saved machine, also one that is damaged, up to there.
 *
 * @param chunks its bytes from the start on
 */
export async function checkSavedMachine(
  path: string,
  chunks: AsyncGenerator<Uint8Array>,
  thresholds: CheckOptions,
): Promise<CheckReport> {
  const saved = await openSavedMachine(path, chunks);
  try {
    const stream = await saved.named(readMigrationAsFar(saved.source));
    return checkStream(stream, displayName(path), thresholds);
  } finally {
    await saved.close();
  }
}

/**
 * Checks a trace, and compares it with a saved machine of the same run.
 *
 * @param moment when that was saved, if the user says so
 * @throws IommuError BAD_ARGUMENT if one of the two is not what it should be; what the readers throw
 */
export async function checkAgainst(
  path: string,
  streamPath: string,
  moment: Moment,
  thresholds: CheckOptions,
  options: { readonly quiet: boolean },
): Promise<AgainstCheckReport> {
  if (path === "-" && streamPath === "-") {
    throw new IommuError(
      "BAD_ARGUMENT",
      "standard input can be the trace or the saved machine, but not both",
    );
  }
  const saved = { file: displayName(streamPath), windows: await windowsOf(streamPath) };
  if (path !== "-") await refuseSavedMachine(path, streamPath);
  const trace = new AgainstCheck(displayName(path), saved, thresholds, moment);
  await feed(path, trace, options);
  return trace.end();
}

async function windowsOf(path: string): Promise<readonly SavedWindow[]> {
  const { head, chunks } = await peekInput(path, MAGIC_BYTES);
  if (!isMigrationStream(head)) {
    await chunks.return(undefined);
    throw new IommuError(
      "BAD_ARGUMENT",
      `--against ${displayName(path)}: is no migration stream (these begin with "QEVM"); a trace is compared with a saved machine`,
    );
  }
  const saved = await openSavedMachine(path, chunks);
  const { windows } = await saved.named(readMigration(saved.source)).finally(() => saved.close());
  return windows;
}

async function refuseSavedMachine(path: string, streamPath: string): Promise<void> {
  const { head, chunks } = await peekInput(path, MAGIC_BYTES);
  await chunks.return(undefined);
  if (!isMigrationStream(head)) return;
  throw new IommuError(
    "BAD_ARGUMENT",
    `${path} and ${displayName(streamPath)} are both saved machines: diff shows what they differ in; --against wants a trace`,
  );
}

/** What the comparison came to, as a line for people. */
export function againstText({ file, against }: AgainstCheckReport): string {
  const { before, saves, windows } = against;
  const { agreed, confirmed, unknown, unknownMapped, differing, contradicted } = sumOfAgreements(windows);
  const when = before === undefined ? "at its end" : `before event ${before.event} (line ${before.line})`;
  const parts = [
    `${formatCount(agreed)} entries agree`,
    `${formatCount(confirmed)} inferred ones are confirmed`,
    `${formatCount(unknown)} are unknown to the trace (${formatCount(unknownMapped)} of them not zero)`,
    `${formatCount(differing)} differ`,
  ];
  if (contradicted > 0) parts.push(`${formatCount(contradicted)} inferred ones are contradicted`);
  const chosen = saves > 1 ? `; it was saved ${saves} times, and agrees best there` : "";
  return `${file} ${when} against ${against.file}: ${parts.join(", ")}${chosen}`;
}
