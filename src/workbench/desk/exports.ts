import { IommuError } from "../../base/errors.ts";
import { toJson } from "../../base/json.ts";
import { hex } from "../../base/u64.ts";
import { type CheckReport, checkReportToJson } from "../../check/report.ts";
import { convert } from "../../check/whole/conversion.ts";
import type { ByteFile } from "../../formats/migration/source.ts";
import type { Calls } from "../protocol.ts";
import { spaceOf } from "./answers.ts";
import type { Recording } from "./recording.ts";

/** A report as `check --output json` prints it. */
export function reportText(report: CheckReport | undefined): string {
  if (report === undefined) throw new IommuError("BAD_ARGUMENT", "nothing was checked here yet");
  return `${toJson({ files: [checkReportToJson(report)] })}\n`;
}

const CSV_COLUMNS = "space,bus address,pages,target,permission,certainty,since\n";

/** The rows of the table behind the heat map, all of them. */
export function csvOf(
  recording: Recording,
  { event, space: number, first, end }: Calls["csv"]["ask"],
): string {
  const space = spaceOf(recording, number);
  const lines: string[] = [];
  recording.contents(space, event)?.forEachRow({ first, end }, (row) => {
    const { address, pages, target, access, certainty, since } = row;
    const cells = [hex(address), pages, target === undefined ? "" : hex(target), access, certainty];
    lines.push([cellOf(space.name), ...cells, since[0] < 0 ? "" : since[0]].join(","));
  });
  return `${CSV_COLUMNS}${lines.map((line) => `${line}\n`).join("")}`;
}

/** A name from a file, as a cell that no program takes for a formula. */
const cellOf = (text: string): string => `"${text.replaceAll('"', '""').replace(/^[=+\-@]/, "'$&")}"`;

/** The timeline that `convert` makes of a trace, for Perfetto. */
export async function timelineOf(data: ByteFile, name: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const to = {
    rows: () => {
      throw new IommuError("UNSUPPORTED", `${name}: a timeline is no table`);
    },
    bytes: () => (bytes: Uint8Array) => void pieces.push(bytes.slice()),
  };
  const steps = convert(data, "timeline", to, { name, onTruncated: () => {} });
  while ((await steps.next()).done !== true);
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
