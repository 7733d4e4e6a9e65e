import { formatCount, formatSize } from "../../base/units.ts";
import type { Recording } from "../desk/recording.ts";
import { type Html, html, table } from "./html.ts";
import { addressOf, type Ids, MAX_ROWS, part } from "./parts.ts";

/** Windows, or address spaces of devices, and how much of each is mapped at its end. */
export function structureOf(recording: Recording, ids: Ids): Html {
  const last = recording.rows.length - 1;
  const spaces = recording.spaces.slice(0, MAX_ROWS);
  const rows = spaces.map((space) => {
    const at = Math.min(last, space.until - 1);
    const { mapped = 0, inferred = 0, unknown = 0 } = recording.contents(space, at) ?? {};
    return [
      space.name,
      addressOf(space, 0),
      formatSize(1n << BigInt(space.pageShift)),
      formatCount(space.pages),
      formatCount(mapped),
      formatCount(inferred),
      formatCount(unknown),
      space.until <= last ? `event ${formatCount(space.until)}` : "",
      space.assumed.join(", "),
    ];
  });
  const heads = [
    "space",
    "starts at",
    "#page",
    "#pages",
    "#mapped",
    "#inferred",
    "#unknown",
    "gone by",
    "assumed",
  ];
  const more = recording.spaces.length - spaces.length;
  return part(
    ids,
    "structure",
    "Structure",
    table(heads, rows),
    more > 0 ? html`<p class="dim">and ${formatCount(more)} more</p>` : undefined,
  );
}
