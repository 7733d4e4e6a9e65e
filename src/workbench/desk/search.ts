import { hex } from "../../base/u64.ts";
import type { Calls, FileLine, Hit } from "../protocol.ts";
import { whoOf } from "./answers.ts";
import { type Recording, spacesAt } from "./recording.ts";

const NUMBER = /^(?:(?:line|event)\s+)?[\d,]+$/i;
const ADDRESS = /^0x[0-9a-f]{1,16}$/i;

/** What a text can mean: an event or a line by its number, a window or device, an address, and lines that have it. */
export async function hitsOf(
  recording: Recording,
  { text, event, limit }: Calls["search"]["ask"],
  goesOn: () => boolean,
): Promise<Hit[]> {
  const wanted = text.trim();
  if (wanted === "") return [];
  const hits = [
    ...(NUMBER.test(wanted) ? numberHits(recording, wanted) : []),
    ...spaceHits(recording, wanted, event),
    ...(ADDRESS.test(wanted) ? addressHits(recording, BigInt(wanted), event) : []),
  ].slice(0, limit);
  if (!recording.hasLines || hits.length === limit) return hits;
  const find = (words: string): Promise<FileLine[]> =>
    recording.find(words, event, limit - hits.length, goesOn);
  const lines = await find(wanted);
  // Linux writes addresses without 0x: dma_addr=180000 size=…
  if (lines.length === 0 && ADDRESS.test(wanted)) lines.push(...(await find(`=${wanted.slice(2)} `)));
  for (const line of lines) {
    const at = line.event < 0 ? recording.rows.eventAtLine(line.line) : line.event;
    hits.push({ what: "event", text: line.text.trim(), event: at, place: undefined });
  }
  return hits;
}

function numberHits({ rows, hasLines }: Recording, text: string): Hit[] {
  const number = Number(text.replace(/^\w+\s+|,/g, ""));
  const hits: Hit[] = [];
  if (number < rows.length && !/^line/i.test(text))
    hits.push({ what: "event", text: `event ${number}`, event: number, place: undefined });
  const event = rows.eventAtLine(number);
  if (hasLines && !/^event/i.test(text) && rows.lineOf(event) === number)
    hits.push({ what: "event", text: `line ${number}, event ${event}`, event, place: undefined });
  return hits;
}

function spaceHits({ spaces }: Recording, text: string, event: number): Hit[] {
  const wanted = text.toLowerCase();
  const found = spaces.filter(({ name }) => name.toLowerCase().includes(wanted));
  // One that is there now, or was there last.
  const names = [...new Set(found.map(({ name }) => name))];
  return names.map((name) => {
    const all = found.filter((space) => space.name === name);
    const there = all.find(({ from, until }) => from <= event && event < until) ?? all.at(-1)!;
    const at = Math.max(there.from, Math.min(event, there.until - 1));
    const place = { space: there.number, first: 0, pages: there.pages };
    return { what: "window or device", text: name, event: at, place };
  });
}

function addressHits(recording: Recording, address: bigint, event: number): Hit[] {
  const hits: Hit[] = [];
  for (const space of spacesAt(recording, event)) {
    const page = Number(BigInt.asUintN(64, address - space.start) >> BigInt(space.pageShift));
    if (page >= space.pages) continue;
    const rows: string[] = [];
    recording.contents(space, event)?.forEachRow({ first: page, end: page + 1 }, ({ access, target }) => {
      rows.push(`${access}${target === undefined ? "" : ` to ${hex(target)}`}`);
    });
    // What does not tell its size has addresses of which none is mapped; a window has all of them.
    if (rows.length === 0 && space.kind === "device") continue;
    const text = `${hex(address)} in ${space.name}: ${rows.join(", ") || "not mapped"}`;
    hits.push({ what: "bus address", text, event, place: { space: space.number, first: page, pages: 1 } });
  }
  for (const { space: number, row } of whoOf(recording, { event, target: address })) {
    const space = recording.spaces.find((one) => one.number === number)!;
    const text = `${hex(address)} is mapped at ${hex(row.address)} in ${space.name}`;
    hits.push({ what: "memory", text, event, place: { space: number, first: row.first, pages: row.pages } });
  }
  return hits;
}
