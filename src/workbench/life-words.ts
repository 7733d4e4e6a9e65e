import { counted, formatCount } from "../base/units.ts";
import type { LifeLines } from "./protocol.ts";

/** What a picture of lifetimes shows, in words: of the page, and of a report. */
export function lifeWords({ all, ends, counts, count }: LifeLines, space: string): string {
  let alive = 0;
  for (let i = 0; i < count; i++) if (ends[i] === Number.POSITIVE_INFINITY) alive += counts[i]!;
  return `${counted(all, "mapping")} of ${space}, ${formatCount(alive)} ${alive === 1 ? "does" : "do"} not end`;
}
