/** A stretch of an axis that is shown, in its units; `to` lies behind the last place. */
export interface View {
  readonly from: number;
  readonly to: number;
}

/** Where a value stands among so many pixels. */
export const pixelOf = ({ from, to }: View, width: number, value: number): number =>
  ((value - from) * width) / (to - from);

/** The value at a pixel. */
export const valueAt = ({ from, to }: View, width: number, pixel: number): number =>
  from + ((to - from) * pixel) / width;

/**
 * A view that shows more (factor above 1) or less around a value, which stays at its place.
 *
 * @param least units that are shown at least
 */
export function zoomed(view: View, whole: View, around: number, factor: number, least: number): View {
  const length = Math.min(whole.to - whole.from, Math.max(least, (view.to - view.from) * factor));
  const part = (around - view.from) / (view.to - view.from);
  return inside({ from: around - part * length, to: around + (1 - part) * length }, whole);
}

/** A view that is moved by a part of its length. */
export function panned(view: View, whole: View, part: number): View {
  const by = (view.to - view.from) * part;
  return inside({ from: view.from + by, to: view.to + by }, whole);
}

/** The view, moved so that it lies inside of the whole; no longer than that. */
export function inside(view: View, whole: View): View {
  const length = Math.min(view.to - view.from, whole.to - whole.from);
  const from = Math.max(whole.from, Math.min(view.from, whole.to - length));
  return { from, to: from + length };
}

/** A view that has a value in its middle third, or the same one if it is shown already. */
export function revealing(view: View, whole: View, value: number): View {
  if (value >= view.from && value <= view.to) return view;
  const length = view.to - view.from;
  return inside({ from: value - length / 2, to: value + length / 2 }, whole);
}

/**
 * Round values for an axis: at most so many, 1, 2 or 5 times a power of ten apart.
 *
 * @param least how far they are apart at least
 */
export function ticksOf({ from, to }: View, most: number, least = 0): number[] {
  const step = Math.max(least, stepOf((to - from) / Math.max(1, most)));
  const ticks: number[] = [];
  for (let i = Math.ceil(from / step); i * step <= to && ticks.length < most * 3; i++) ticks.push(i * step);
  return ticks;
}

/** The smallest of 1, 2 and 5 times a power of ten that is at least so much. */
export function stepOf(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5, 10].find((times) => times * power >= least * (1 - 1e-9)) ?? 10) * power;
}
