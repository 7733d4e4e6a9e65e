import type { Lanes } from "../protocol.ts";

/**
 * How much of a lane was mapped over the whole time, as the path of an SVG that is `columns` wide and `height` high. What is
 * mapped at all is seen.
 */
export function sparkPath({ mapped, columns }: Lanes, lane: number, height: number): string {
  const of = mapped.subarray(lane * columns, (lane + 1) * columns);
  const most = of.reduce((a, b) => Math.max(a, b), 0);
  if (most === 0) return "";
  const parts = [`M0 ${height}`];
  for (const [i, count] of of.entries()) {
    const y = count === 0 ? height : Math.min(height - 1, height - (count * height) / most);
    parts.push(`L${i} ${Math.round(y * 10) / 10}h1`);
  }
  return `${parts.join("")}L${columns} ${height}z`;
}
