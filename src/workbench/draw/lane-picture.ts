import { EVENT_CLASSES, type EventClass, type Lanes } from "../protocol.ts";
import { Bars, type Ink, inkOf, type Label, type Picture } from "./renderer.ts";

/** Pixels of a lane, and of the strip at its top that has what went wrong. */
export const LANE_HEIGHT = 46;
const STRIP = 6;
const GAP = 4;
/** Half of what is left: maps go up from the middle, unmaps down. */
const HALF = (LANE_HEIGHT - STRIP - GAP) / 2;

const CLASSES = EVENT_CLASSES.length;

/** Classes that are drawn in the strip, and in which ink; the last of them is drawn over the others. */
const STRIP_INKS: readonly (readonly [EventClass, Ink])[] = [
  ["moment", "moment"],
  ["refused", "refused"],
  ["fault", "fault"],
];

/** Lanes of time, one below the other: how much is mapped, maps and unmaps, and what went wrong. */
export function lanePicture(
  lanes: Lanes,
  names: readonly string[],
  width: number,
  shown: LaneShown,
): Picture {
  const bars = new Bars();
  const labels: Label[] = [];
  const { columns } = lanes;
  const column = width / columns;
  shown.lanes.forEach((lane, row) => {
    const top = row * LANE_HEIGHT;
    const middle = top + STRIP + HALF;
    const count = (kind: EventClass, i: number): number =>
      lanes.counts[(lane * CLASSES + EVENT_CLASSES.indexOf(kind)) * columns + i] ?? 0;
    const most = { calls: 1, mapped: 1 };
    for (let i = 0; i < columns; i++) {
      most.calls = Math.max(most.calls, count("map", i), count("unmap", i));
      most.mapped = Math.max(most.mapped, lanes.mapped[lane * columns + i] ?? 0);
    }
    bars.add(0, top + LANE_HEIGHT - 1, width, 1, inkOf("grid"));
    for (let i = 0; i < columns; i++) {
      const x = i * column;
      const isEmpty = lanes.events[i] === lanes.events[i + 1];
      const mapped = lanes.mapped[lane * columns + i] ?? 0;
      if (mapped > 0) {
        const height = Math.max(1, (mapped / most.mapped) * HALF * 2);
        bars.add(x, middle + HALF - height, column, height, inkOf("occupancy"));
      }
      if (isEmpty) continue;
      if (shown.classes.has("use") && count("use", i) > 0)
        bars.add(x, middle - 0.5, Math.max(1, column), 1, inkOf("use"));
      const part = (kind: EventClass): number => (shown.classes.has(kind) ? count(kind, i) / most.calls : 0);
      bar(bars, { x, width: column, middle, direction: -1 }, part("map"), "map");
      bar(bars, { x, width: column, middle, direction: 1 }, part("unmap"), "unmap");
      for (const [kind, ink] of STRIP_INKS)
        if (shown.classes.has(kind) && count(kind, i) > 0)
          bars.add(x, top + 1, Math.max(2, column), STRIP - 1, inkOf(ink));
    }
    labels.push({ x: 4, y: top + STRIP + 10, text: names[lane] ?? "", align: "left" });
  });
  return { width, height: shown.lanes.length * LANE_HEIGHT, bars, labels };
}

/** What of the lanes is shown. */
export interface LaneShown {
  readonly lanes: readonly number[];
  readonly classes: ReadonlySet<EventClass>;
}

/** Where a bar stands: in which column, and which way it goes from the middle of its lane. */
interface BarPlace {
  readonly x: number;
  readonly width: number;
  readonly middle: number;
  readonly direction: 1 | -1;
}

/** A bar of a part of the largest one; what is there at all has a pixel. */
function bar(bars: Bars, { x, width, middle, direction }: BarPlace, part: number, ink: Ink): void {
  if (part === 0) return;
  const height = Math.max(1, part * HALF);
  bars.add(x, direction === 1 ? middle : middle - height, Math.max(1, width), height, inkOf(ink));
}
