import { formatCount, formatSize, formatTime } from "../../base/units.ts";
import type { Recording } from "../desk/recording.ts";
import { lifeWords } from "../life-words.ts";
import type { LifeLines, Space } from "../protocol.ts";
import { rowWords } from "../row-words.ts";
import { type Html, html, table } from "./html.ts";
import { addressOf, behind, ends, HEADS, type Ids, legend, MAX_ROWS, rowsOf } from "./parts.ts";
import type { Pictures, WholeAxis } from "./pictures.ts";
import { svgOf } from "./svg.ts";

const LIFE_KEYS = [
  ["life", "unmapped"],
  ["alive", "still mapped at the end"],
  ["before", "mapped before the recording"],
] as const;

const HEAT_KEYS = [
  ["read-3", "read"],
  ["write-3", "write"],
  ["both-3", "both"],
  ["inferred", "inferred"],
  ["unknown", "unknown"],
] as const;

/** The name of a space; of one of several that had it, one after the other, also when. */
export function titleOf({ spaces, rows }: Recording, { number, name, from, until }: Space): string {
  if (!spaces.some((other) => other.name === name && other.number !== number)) return name;
  return `${name}, events ${formatCount(from)} to ${formatCount(Math.min(until, rows.length) - 1)}`;
}

/** Lifetimes of a space, and what is in it at its end. */
export function spaceOf(pictures: Pictures, space: Space, ids: Ids): Html {
  const { recording, whole } = pictures;
  const key = `s${space.number}`;
  const own = pictures.of(space);
  const { lines, picture } = own.lifetimes(whole);
  const last = Math.min(recording.rows.length - 1, space.until - 1);
  const heat = own.heat(last);
  const { rows, all } = rowsOf(recording, space, last, { first: 0, end: space.pages }, MAX_ROWS);
  const cell = formatSize(1n << BigInt(space.pageShift + heat.rows.shift));
  const about = lifeWords(lines, space.name);
  const folded = heat.rows.folds.some((fold) => fold > 1)
    ? "; a thin row is a long stretch that was never used"
    : "";
  const at = `${space.name} after event ${formatCount(last)}; a cell is ${cell}, a row ${formatSize(64n << BigInt(space.pageShift + heat.rows.shift))}${folded}`;
  return html`<section aria-labelledby="${ids.label(key)}"><h3 id="${ids.of(key)}">${titleOf(recording, space)}</h3>
<section aria-labelledby="${ids.label(`${key}-l`, key)}"><h4 id="${ids.of(`${key}-l`)}">Lifetimes</h4>${legend(LIFE_KEYS)}<figure>${svgOf(picture, about)}${ends(whole)}<figcaption>${about}; bus addresses from ${addressOf(space, 0)} down to ${addressOf(space, space.pages - 1)}</figcaption></figure>${behind("table", livesTable(whole, space, lines))}</section>
<section aria-labelledby="${ids.label(`${key}-a`, key)}"><h4 id="${ids.of(`${key}-a`)}">Address</h4>${legend(HEAT_KEYS)}<figure>${svgOf(heat.picture, at)}<figcaption>${at}</figcaption></figure>${behind(
    "table",
    html`${table(HEADS, rows.map(rowWords))}${
      all > rows.length
        ? html`<p class="dim">and ${formatCount(all - rows.length)} more: spapr-iommu map lists all</p>`
        : undefined
    }`,
  )}</section></section>`;
}

/** Mappings that fall on one place of the picture are one row; those that do not end come first. */
function livesTable({ axis }: WholeAxis, space: Space, lines: LifeLines): Html {
  // What was mapped before the recording has no place on the axis.
  const startOf = (i: number): number => (Number.isNaN(lines.starts[i]!) ? -1 : lines.starts[i]!);
  const endOf = (i: number): number => Math.min(lines.ends[i]!, Number.MAX_VALUE);
  const order = Array.from({ length: lines.count }, (_, i) => i).sort(
    (a, b) => endOf(b) - endOf(a) || startOf(a) - startOf(b) || lines.firsts[a]! - lines.firsts[b]!,
  );
  const when = (at: number, none: string): string => {
    if (!Number.isFinite(at)) return none;
    return axis === "time" ? formatTime(at) : `event ${formatCount(at)}`;
  };
  const shown = order.slice(0, MAX_ROWS);
  const rows = shown.map((i) => [
    addressOf(space, lines.firsts[i]!),
    formatCount(lines.pages[i]!),
    when(lines.starts[i]!, "before the recording"),
    when(lines.ends[i]!, "never"),
    formatCount(lines.counts[i]!),
  ]);
  return html`${table(["bus address", "#pages", "mapped at", "unmapped at", "#mappings"], rows)}${
    lines.count > shown.length
      ? html`<p class="dim">and ${formatCount(lines.count - shown.length)} more places of the picture</p>`
      : undefined
  }`;
}
