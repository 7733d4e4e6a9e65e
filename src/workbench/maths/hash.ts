import type { Axis, HeatView } from "../protocol.ts";
import { HEAT_COLOURS, type HeatColour } from "./heat-grid.ts";
import { type PanelSizes, sizesOfText, sizesToText } from "./panel-sizes.ts";
import type { View } from "./view.ts";

/** A stretch of events and of pages. */
export interface Selection {
  readonly from: number;
  readonly to: number;
  readonly first: number;
  readonly end: number;
}

/** All that the page shows of a file, as its address has it; what is absent is as it is at first. */
export interface Place {
  /** Name of a recording beside the page. */
  readonly example?: string | undefined;
  readonly at?: number | undefined;
  readonly space?: string | undefined;
  readonly axis?: Axis | undefined;
  readonly time?: View | undefined;
  readonly heat?: HeatView | undefined;
  readonly selection?: Selection | undefined;
  readonly filter?: string | undefined;
  readonly finding?: number | undefined;
  readonly mark?: number | undefined;
  readonly colour?: HeatColour | undefined;
  readonly sizes?: PanelSizes | undefined;
  /** Name of another file, and the event of it that this one is compared with. */
  readonly other?: { readonly name: string; readonly event: number } | undefined;
}

const NUMBER = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/;

/** The place as what stands behind `#`. */
export function placeToHash(place: Place): string {
  const parts = new URLSearchParams();
  const put = (name: string, value: string | number | undefined): void => {
    if (value !== undefined && value !== "") parts.set(name, String(value));
  };
  const { time, heat, selection } = place;
  put("example", place.example);
  put("at", place.at);
  put("space", place.space);
  put("axis", place.axis);
  put("time", time === undefined ? undefined : `${time.from},${time.to}`);
  put("heat", heat === undefined ? undefined : `${heat.first},${heat.shift},${heat.row ?? 0}`);
  put(
    "sel",
    selection === undefined
      ? undefined
      : `${selection.from},${selection.to},${selection.first},${selection.end}`,
  );
  put("filter", place.filter);
  put("finding", place.finding);
  put("mark", place.mark);
  put("colour", place.colour);
  put("with", place.other === undefined ? undefined : `${place.other.event},${place.other.name}`);
  put("size", place.sizes === undefined ? undefined : sizesToText(place.sizes));
  return parts.toString();
}

/** Reads what {@link placeToHash} wrote, or a person; what cannot be read is absent. */
export function placeOfHash(hash: string): Place {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const text = (name: string): string | undefined => parts.get(name) ?? undefined;
  const numbers = (name: string, count: number): number[] | undefined => {
    const all = (parts.get(name) ?? "").split(",");
    if (all.length !== count || !all.every((one) => NUMBER.test(one))) return undefined;
    return all.map(Number);
  };
  const one = (name: string): number | undefined => numbers(name, 1)?.[0];
  const time = numbers("time", 2);
  const heat = numbers("heat", 3) ?? numbers("heat", 2);
  const sel = numbers("sel", 4);
  const axis = text("axis");
  const colour = HEAT_COLOURS.find((name) => name === text("colour"));
  return {
    example: text("example"),
    at: one("at"),
    space: text("space"),
    axis: axis === "event" || axis === "time" ? axis : undefined,
    time: time !== undefined && time[1]! > time[0]! ? { from: time[0]!, to: time[1]! } : undefined,
    heat: heat === undefined ? undefined : { first: heat[0]!, shift: heat[1]!, row: heat[2] ?? 0 },
    selection: sel === undefined ? undefined : { from: sel[0]!, to: sel[1]!, first: sel[2]!, end: sel[3]! },
    filter: text("filter"),
    finding: one("finding"),
    mark: one("mark"),
    colour,
    other: otherOf(parts.get("with") ?? ""),
    sizes: parts.has("size") ? sizesOfText(parts.get("size")!) : undefined,
  };
}

function otherOf(text: string): Place["other"] {
  const [, event, name] = /^(\d+),(.+)$/.exec(text) ?? [];
  return name === undefined ? undefined : { name, event: Number(event) };
}
