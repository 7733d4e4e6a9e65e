import type { ComponentChildren } from "preact";
import { HEAT_COLOURS, type HeatColour } from "../maths/heat-grid.ts";
import type { Space } from "../protocol.ts";
import { bench } from "./state.ts";
import { countText, pagesSize, shown } from "./words.ts";

/** Letters of a caller in the legend. */
const MAX_WORDS = 40;

const COLOUR_WORDS: Readonly<Record<HeatColour, string>> = {
  permission: "permission",
  age: "age",
  size: "size of the mapping",
  owner: "owner",
  certainty: "certainty",
  change: "what changed",
};

/** How fine the map is, and what its colours say. */
export function HeatTools({
  shift,
  space,
  zoom,
}: {
  readonly shift: number;
  readonly space: Space;
  readonly zoom: (levels: number) => void;
}): ComponentChildren {
  const colour = bench.colour.value;
  return (
    <span class="legend">
      <span class="dim">
        {shown(space.name)}, a cell is{" "}
        {shift === 0
          ? `one ${space.kind === "device" ? "page" : "entry"} of ${pagesSize(1, space.pageShift)}`
          : `${countText(2 ** shift)} pages, ${pagesSize(2 ** shift, space.pageShift)}`}
      </span>
      <button type="button" aria-label="zoom in" onClick={() => zoom(-1)}>
        +
      </button>
      <button type="button" aria-label="zoom out" onClick={() => zoom(1)}>
        −
      </button>
      <label>
        <span class="hidden">colour by</span>
        <select
          value={colour}
          onChange={({ currentTarget }) => {
            bench.colour.value = currentTarget.value as HeatColour;
          }}
        >
          {HEAT_COLOURS.map((name) => (
            <option key={name} value={name} disabled={name === "change" && bench.before.value === undefined}>
              {COLOUR_WORDS[name]}
            </option>
          ))}
        </select>
      </label>
    </span>
  );
}

/** What colours say; owners have names of their own. */
const KEYS: Readonly<Record<HeatColour, readonly (readonly [ink: string, words: string])[]>> = {
  permission: [
    ["read-3", "read"],
    ["write-3", "write"],
    ["both-3", "both"],
    ["inferred", "inferred"],
    ["unknown", "unknown"],
  ],
  age: [
    ["age-1", "new"],
    ["age-3", ""],
    ["age-5", "old"],
    ["unknown", "unknown"],
  ],
  size: [
    ["age-1", "1 page"],
    ["age-2", "up to 4"],
    ["age-3", "16"],
    ["age-4", "256"],
    ["age-5", "more"],
  ],
  owner: [["several", "several"]],
  certainty: [
    ["read-3", "known"],
    ["inferred", "inferred"],
    ["unknown", "unknown"],
  ],
  change: [
    ["came", "mapped since"],
    ["went", "unmapped since"],
    ["occupancy", "as it was"],
    ["unknown", "unknown"],
  ],
};

/** The legend; what callers are called stands in the file. */
export function ColourKeys({
  colour,
  owners,
}: {
  readonly colour: HeatColour;
  readonly owners: readonly string[];
}): ComponentChildren {
  const named = colour === "owner" ? owners.map((name, i) => [`owner-${i + 1}`, name] as const) : [];
  return [...named, ...KEYS[colour]].map(([ink, words]) => (
    <span class={`key ${ink}`} key={ink} title={words.length > MAX_WORDS ? shown(words) : undefined}>
      {shown(words.length > MAX_WORDS ? `${words.slice(0, MAX_WORDS)}…` : words)}
    </span>
  ));
}
