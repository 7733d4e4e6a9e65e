import { placeOfPage } from "../maths/heat-rows.ts";
import { pixelOf, type View } from "../maths/view.ts";
import type { HeatRows, LifeLines } from "../protocol.ts";
import { Bars, inkOf, type Picture } from "./renderer.ts";

/** Mapping lifetimes: x is time, y the bus address, by the rows of the heat map; what still lives is drawn to the edge, in an ink of its own. */
export function lifePicture(
  lines: LifeLines,
  time: View,
  rows: HeatRows,
  size: { readonly width: number; readonly height: number },
): Picture {
  const bars = new Bars();
  const { width, height } = size;
  const yOf = (page: number): number => (placeOfPage(rows, page) * height) / Math.max(1, rows.starts.length);
  const draw = (isAlive: boolean): void => {
    for (let i = 0; i < lines.count; i++) {
      const end = lines.ends[i]!;
      if ((end === Number.POSITIVE_INFINITY) !== isAlive) continue;
      const start = lines.starts[i]!;
      const x0 = Number.isNaN(start) ? 0 : Math.max(0, pixelOf(time, width, start));
      const x1 = isAlive ? width : Math.min(width, pixelOf(time, width, end));
      const y0 = yOf(lines.firsts[i]!);
      const y1 = yOf(lines.firsts[i]! + lines.pages[i]!);
      const ink = isAlive ? "alive" : Number.isNaN(start) ? "before" : "life";
      // Low addresses stand at the top, as in the heat map. What is there at all has a pixel.
      bars.add(x0, Math.max(0, y0), Math.max(1, x1 - x0), Math.max(1, Math.min(height, y1) - y0), inkOf(ink));
    }
  };
  draw(false);
  draw(true);
  return { width, height, bars, labels: [] };
}
