import { Bars, inkOf, type Picture } from "./renderer.ts";

/** All of a space from top to bottom: what is mapped at all has a pixel, more of it is darker. */
export function minimapPicture(
  mapped: Float64Array,
  pages: number,
  size: { readonly width: number; readonly height: number },
): Picture {
  const bars = new Bars();
  const { width, height } = size;
  const part = height / mapped.length;
  bars.add(0, 0, width, height, inkOf("empty"));
  for (const [i, count] of mapped.entries()) {
    if (count === 0) continue;
    const step = Math.min(4, 2 + Math.floor((count * mapped.length * 2.999) / pages)) as 2 | 3 | 4;
    bars.add(0, i * part, width, Math.max(2, part), inkOf(`both-${step}`));
  }
  return { width, height, bars, labels: [] };
}
