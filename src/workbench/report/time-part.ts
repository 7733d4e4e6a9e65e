import { formatCount } from "../../base/units.ts";
import { LANE_HEIGHT } from "../draw/lane-picture.ts";
import { EVENT_CLASSES, type EventClass } from "../protocol.ts";
import { type Html, html, table } from "./html.ts";
import { behind, ends, type Ids, legend, MAX_ROWS, part } from "./parts.ts";
import type { Pictures } from "./pictures.ts";
import { svgOf } from "./svg.ts";

/** Lanes that are drawn. */
const MAX_LANES = 24;

const TIME_KEYS = [
  ["occupancy", "mapped"],
  ["map", "maps"],
  ["unmap", "unmaps"],
  ["use", "used"],
  ["fault", "faults"],
  ["refused", "refused"],
  ["moment", "windows change"],
] as const;

const CLASS_WORDS: Readonly<Record<EventClass, string>> = {
  map: "#maps",
  unmap: "#unmaps",
  use: "#used",
  fault: "#faults",
  refused: "#refused",
  moment: "#windows change",
  other: "#other",
};

/** What happened over time, in the busiest lanes. */
export function timeOf(pictures: Pictures, ids: Ids): Html {
  const { rows } = pictures.recording;
  const names = rows.lanes;
  const counts = names.map((_, lane) => {
    const all = new Uint32Array(EVENT_CLASSES.length);
    rows.count(lane, 0, rows.length, all, 0);
    return all;
  });
  const busiest = counts
    .map((all, lane) => ({ lane, events: all.reduce((a, b) => a + b, 0) }))
    .sort((a, b) => b.events - a.events || a.lane - b.lane);
  const shown = busiest
    .slice(0, MAX_LANES)
    .map(({ lane }) => lane)
    .sort((a, b) => a - b);
  const picture = pictures.time(shown);
  const more = names.length - shown.length;
  return part(
    ids,
    "time",
    "Time",
    legend(TIME_KEYS),
    html`<figure>${svgOf({ ...picture, height: Math.max(LANE_HEIGHT, picture.height) }, "maps, unmaps, faults and what is mapped, over time")}${ends(pictures.whole)}</figure>`,
    more > 0 ? html`<p class="dim">The ${shown.length} busiest of ${names.length} are drawn.</p>` : undefined,
    behind(
      "table",
      table(
        ["lane", ...EVENT_CLASSES.map((name) => CLASS_WORDS[name]), "#pages mapped at the end"],
        names
          .slice(0, MAX_ROWS)
          .map((name, lane) => [
            name,
            ...[...counts[lane]!].map(formatCount),
            formatCount(rows.latest(lane)),
          ]),
      ),
    ),
  );
}
