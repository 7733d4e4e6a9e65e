import { hex } from "../base/u64.ts";
import { counted, formatSize } from "../base/units.ts";
import type { AddressRange, Life, LifeCall, LifeStretch } from "../check/lives/life.ts";
import { formatMoment, type ShownMoment, timeText } from "../check/state/moment.ts";

/** Columns of mappings that are alive, as rows. */
export const ALIVE_COLUMNS: readonly string[] = [
  "space",
  "first",
  "ranges",
  "entries",
  "access",
  "bytes",
  "left",
  "inferred",
  "truncated",
  "made",
];

/** `line 12, time 1.500000000, modprobe-901 on CPU 1, dma_alloc`: what the recording has of it. */
export function callText({ name, line, cpu, pid, task, ...time }: LifeCall): string {
  const who = [task, pid].filter((part) => part !== undefined).join("-");
  return [
    `line ${line}`,
    ...(Number.isNaN(time.seconds) ? [] : [`time ${timeText(time)}`]),
    ...(who === "" ? [] : [`${task === undefined ? "thread " : ""}${who}`]),
    ...(cpu === undefined ? [] : [`CPU ${cpu}`]),
    name,
  ].join(", ");
}

/** `0x1000-0x1fff`. */
export const addressesText = ({ first, last }: AddressRange): string =>
  first === last ? hex(first) : `${hex(first)}-${hex(last)}`;

/** Ranges of one mapping that are written out. */
const MAX_RANGES = 4;

/** `0x1000-0x1fff -> 0x50000`, of a list the first few. */
export function stretchesText(stretches: readonly LifeStretch[]): string {
  const texts = stretches.slice(0, MAX_RANGES).map((stretch) => {
    const { target, repeats } = stretch;
    const to = target === undefined ? "" : ` -> ${hex(target)}${repeats === undefined ? "" : " (all pages)"}`;
    return `${addressesText(stretch)}${to}`;
  });
  const more = stretches.length - MAX_RANGES;
  return `${texts.join(", ")}${more > 0 ? ` and ${counted(more, "more range")}` : ""}`;
}

/** `0x1000-0x1fff -> 0x50000, 4 KiB, TO_DEVICE`. */
export function lifeText({ stretches, bytes, access, inferred, truncated }: Life): string {
  const notes = [
    ...(inferred ? ["inferred from the last entry of a list"] : []),
    ...(truncated ? ["the kernel did not write out the whole list"] : []),
  ];
  const note = notes.length === 0 ? "" : ` (${notes.join("; ")})`;
  return `${stretchesText(stretches)}, ${formatSize(bytes)}, ${access}${note}`;
}

/** Which moment an answer shows. */
export const momentText = (moment: ShownMoment | undefined): string =>
  moment === undefined ? "as it was saved" : `at ${formatMoment(moment)}`;
