import { hex64 } from "../base/u64.ts";
import { formatCount } from "../base/units.ts";
import type { Row } from "./protocol.ts";

/** Columns of a table of mappings, of the page and of a report. */
export const ROW_HEADS = ["bus address", "pages", "target", "permission", "certainty", "since"] as const;

/** What the columns of a row say. */
export type RowWords = readonly [
  address: string,
  pages: string,
  target: string,
  access: string,
  certainty: string,
  since: string,
];

export function rowWords(row: Row): RowWords {
  const { address, pages, target, sameTarget, access, certainty, inferredPages, since } = row;
  return [
    hex64(address),
    formatCount(pages),
    target === undefined ? "" : `${hex64(target)}${sameTarget ? " (all)" : ""}`,
    access,
    inferredPages > 0 && inferredPages < pages ? `${formatCount(inferredPages)} inferred` : certainty,
    sinceText(since, certainty),
  ];
}

/** Which events mapped something. */
export function sinceText([first, last]: Row["since"], certainty: Row["certainty"]): string {
  if (certainty === "unknown") return "";
  if (first < 0) return last < 0 ? "before the recording" : `up to event ${formatCount(last)}`;
  return first === last
    ? `event ${formatCount(first)}`
    : `events ${formatCount(first)} to ${formatCount(last)}`;
}
