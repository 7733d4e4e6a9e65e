import { type Bars, HATCHED, INKS, type Ink, type Picture } from "../draw/renderer.ts";
import { Html, html } from "./html.ts";

/** Inks that other bars lie on, from the bottom up; hatches lie on all. */
const BELOW: readonly Ink[] = ["grid", "empty", "occupancy", "life"];

/** A stretch of a row of bars. */
type Stretch = [from: number, to: number];

/** A stretch of a picture that is meant, in its pixels. */
export interface Mark {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * A picture as SVG of the page, in the inks of its style sheet. What bars cover is covered by as few of them as possible:
 * those of one ink, place and height are joined where they touch.
 *
 * @param label what it shows, for who does not see it
 */
export function svgOf(
  { width, height, bars, labels }: Picture,
  label: string,
  marks: readonly Mark[] = [],
): Html {
  const box = `0 0 ${short(width)} ${short(height)}`;
  const paths = inksOf(bars).map((ink) => {
    const fill = HATCHED.has(ink) ? new Html(` fill="url(#hatch-${ink})"`) : html` class="i-${ink}"`;
    return html`<path${fill} d="${new Html(pathOf(bars, INKS.indexOf(ink)))}"/>`;
  });
  const words = labels.map(
    ({ x, y, text, align }) =>
      html`<text x="${short(x)}" y="${short(y)}" text-anchor="${ANCHORS[align]}">${text}</text>`,
  );
  const meant = marks.map(
    (mark) =>
      html`<rect class="mark" x="${short(mark.x)}" y="${short(mark.y)}" width="${short(mark.width)}" height="${short(mark.height)}"/>`,
  );
  return html`<svg viewBox="${box}" role="img" aria-label="${label}">${paths}${words}${meant}</svg>`;
}

const ANCHORS = { left: "start", right: "end", center: "middle" } as const;

/** What hatches are made of, once for all pictures of a page. */
export const HATCHES: Html = html`<svg class="defs" aria-hidden="true"><defs>${[...HATCHED].map(
  (ink) =>
    html`<pattern id="hatch-${ink}" width="6" height="6" patternUnits="userSpaceOnUse"><path class="h-${ink}" d="M-1 1l2-2M0 6l6-6M5 7l2-2"/></pattern>`,
)}</defs></svg>`;

/** The inks of a picture, from the bottom up. */
function inksOf(bars: Bars): Ink[] {
  const used = new Set(bars.inks.subarray(0, bars.count));
  const layerOf = (ink: Ink): number => {
    if (HATCHED.has(ink)) return BELOW.length + 1;
    const below = BELOW.indexOf(ink);
    return below < 0 ? BELOW.length : below;
  };
  return INKS.filter((_, number) => used.has(number)).sort((a, b) => layerOf(a) - layerOf(b));
}

/** All bars of an ink, row by row. */
function pathOf(bars: Bars, ink: number): string {
  const rows = new Map<string, Stretch[]>();
  for (let i = 0; i < bars.count; i++) {
    if (bars.inks[i] !== ink) continue;
    const [x, y, width, height] = [bars.x[i]!, bars.y[i]!, bars.width[i]!, bars.height[i]!].map(round);
    const key = `${y} ${height}`;
    const row = rows.get(key);
    if (row === undefined) rows.set(key, [[x!, x! + width!]]);
    else row.push([x!, x! + width!]);
  }
  let path = "";
  for (const [key, stretches] of rows) {
    const [y, height] = key.split(" ") as [string, string];
    for (const [from, to] of joined(stretches))
      path += `M${short(from)} ${y}h${short(to - from)}v${height}H${short(from)}z`;
  }
  return path;
}

/** Stretches that touch one another are one. */
function joined(stretches: Stretch[]): Stretch[] {
  const all: Stretch[] = [];
  for (const [from, to] of stretches.sort(([a], [b]) => a - b)) {
    const last = all.at(-1);
    if (last === undefined || from > last[1] + 1e-6) all.push([from, to]);
    else last[1] = Math.max(last[1], to);
  }
  return all;
}

/** A tenth of a pixel is enough. */
const round = (value: number): number => Math.round(value * 10) / 10;
const short = (value: number): string => String(round(value));
