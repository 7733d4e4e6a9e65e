import { hex, hex64 } from "../../base/u64.ts";
import { counted, formatCount, formatSize, formatTime } from "../../base/units.ts";
import type { Finding } from "../../check/findings/finding.ts";
import { framesText } from "../../check/findings/finding-stack.ts";
import { pciDeviceText } from "../../formats/machine/pci-devices.ts";
import type { Reading } from "../desk/open-recording.ts";
import { type Recording, spacesAt } from "../desk/recording.ts";
import { LANE_HEIGHT } from "../draw/lane-picture.ts";
import type { Ink } from "../draw/renderer.ts";
import { EVENT_CLASSES, type EventClass, type LifeLines, type Row, type Space } from "../protocol.ts";
import { ROW_HEADS, rowWords } from "../row-words.ts";
import { type Html, html, type Inside, table } from "./html.ts";
import { marksOf, Pictures, type WholeAxis } from "./pictures.ts";
import { HATCHES, svgOf } from "./svg.ts";

/** Characters that a file takes at most: what does not fit is left out, which is said. */
const MAX_FILE = 2_500_000;
/** Findings that are shown; `check` lists all. */
const MAX_FINDINGS = 200;
/** Those of a kind that have pictures: more of the same are as good as these. */
const PICTURED = 5;
/** Lines of a finding, of its first events and of its last ones, and characters of each. */
const [END_LINES, MAX_LINE] = [4, 600];
/** Lanes that are drawn, and rows of a table. */
const [MAX_LANES, MAX_ROWS] = [24, 100];
/** Heads of a table of mappings; numbers stand to the right. */
const HEADS = ROW_HEADS.map((head) => (head === "pages" ? "#pages" : head));

/** A style sheet, and its SHA-256 by base 64, by which a content security policy allows it. */
export interface HashedStyle {
  readonly text: string;
  readonly sha256: string;
}

/**
 * A page that shows recordings, with nothing else needed: no script, no request, the pictures as SVG. What it is depends on
 * the files and their names alone.
 *
 * @param style how it looks, as `styleOf` has it, and the hash of that
 * @returns its pieces
 */
export async function* reportOf(readings: readonly Reading[], style: HashedStyle): AsyncGenerator<string> {
  const policy = `default-src 'none'; style-src 'sha256-${style.sha256}'; base-uri 'none'; form-action 'none'`;
  yield html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">
<title>spapr-iommu report: ${readings.map(({ name }) => name).join(", ")}</title>
<style>`.text;
  yield `${style.text}</style></head>\n`;
  yield html`<body>${HATCHES}<main><h1>spapr-iommu report</h1>${readings.length > 1 ? contentsOf(readings) : undefined}`
    .text;
  for (const [i, reading] of readings.entries())
    yield* fileOf(reading, new Ids(`f${i + 1}`, readings.length === 1));
  yield "</main></body></html>\n";
}

/** Names within the page. */
class Ids {
  readonly file: string;
  readonly #isOnly: boolean;

  /** @param isOnly there is no other file, of which parts would have to be told from those of this one */
  constructor(file: string, isOnly: boolean) {
    this.file = file;
    this.#isOnly = isOnly;
  }

  of(key: string): string {
    return `${this.file}-${key}`;
  }

  /** Where the words stand that name a part. */
  label(...keys: readonly string[]): string {
    return [...keys, ...(this.#isOnly ? [] : ["name"])].map((key) => this.of(key)).join(" ");
  }
}

const contentsOf = (readings: readonly Reading[]): Html =>
  html`<nav aria-label="Files"><ul>${readings.map(
    ({ name, findings, unjudged }, i) =>
      html`<li><a href="#f${i + 1}">${name}</a> <span class="dim">${unjudged === undefined ? counted(findings.length, "finding") : "not judged"}</span></li>`,
  )}</ul></nav>`;

/** A file: what was found, then pictures, the ones that say most first, as far as there is room. */
async function* fileOf(reading: Reading, ids: Ids): AsyncGenerator<string> {
  const { name, recording } = reading;
  let room = MAX_FILE;
  const leftOut: string[] = [];
  // What comes after something that did not fit says less: it is not even drawn.
  const fits = (piece: Html | undefined, what: string): string => {
    if (piece === undefined || piece.text.length > room) {
      leftOut.push(what);
      return "";
    }
    room -= piece.text.length;
    return `${piece.text}\n`;
  };
  yield html`<article id="${ids.file}" aria-labelledby="${ids.of("name")}">${headOf(reading, ids)}`.text;
  const pictures = recording === undefined ? undefined : new Pictures(recording);
  yield fits(await findingsOf(reading, pictures, ids), "findings");
  if (pictures !== undefined && pictures.recording.rows.length > 0) {
    yield fits(timeOf(pictures, ids), "time");
    yield fits(structureOf(pictures.recording, ids), "structure");
    for (const space of byImportance(pictures.recording, reading.findings))
      yield fits(
        leftOut.length > 0 ? undefined : spaceOf(pictures, space, ids),
        titleOf(pictures.recording, space),
      );
  }
  if (leftOut.length > 0)
    yield html`<p class="dim">There was no room for ${leftOut.length > 20 ? counted(leftOut.length, "space") : leftOut.join(", ")}: spapr-iommu ui shows all of ${name}.</p>`
      .text;
  yield "</article>\n";
}

function headOf(reading: Reading, ids: Ids): Html {
  const { name, size, recording, findings } = reading;
  const { rows, format, notes } = recording ?? {};
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const facts = [
    counted(rows?.length ?? 0, "event"),
    ...(format === undefined ? [] : [format]),
    ...(rows !== undefined && rows.seconds >= 0 ? [formatTime(rows.seconds)] : []),
    formatSize(BigInt(size)),
  ];
  return html`<header class="file"><h2 id="${ids.of("name")}">${name}</h2><p>${facts.join(", ")}</p>
<p>${findings.length === 0 ? nothingText(reading) : verdictOf(errors, findings.length - errors)}</p>${(notes ?? []).map((note) => html`<p class="dim">${note}</p>`)}</header>`;
}

/** What is said where there are no findings. */
function nothingText({ unjudged, isFiltered }: Reading): string {
  if (unjudged !== undefined) return "Nothing was judged.";
  return `Nothing was found wrong${isFiltered ? " in the events that the filter takes" : ""}.`;
}

function verdictOf(errors: number, warnings: number): Html {
  const parts = [
    ...(errors > 0 ? [html`<span class="error">${counted(errors, "error")}</span>`] : []),
    ...(warnings > 0 ? [html`<span class="warning">${counted(warnings, "warning")}</span>`] : []),
  ];
  return html`${parts[0]}${parts.length > 1 ? [", ", parts[1]] : ""}`;
}

/** A part of a file's report, with its name. */
const part = (ids: Ids, key: string, name: string, ...inside: readonly Inside[]): Html =>
  html`<section aria-labelledby="${ids.label(key)}"><h3 id="${ids.of(key)}">${name}</h3>${inside}</section>`;

/** What a picture needs to be read without it. */
const behind = (summary: string, inside: Html): Html =>
  html`<details><summary>${summary}</summary>${inside}</details>`;

async function findingsOf(reading: Reading, pictures: Pictures | undefined, ids: Ids): Promise<Html> {
  const { findings, notJudged } = reading;
  const shown = findings.slice(0, MAX_FINDINGS);
  const lines = await provingLines(pictures?.recording, shown);
  const pictured = picturedOf(shown);
  const rows = shown.map((finding, i) => {
    const { kind, severity, count, message, lines: at } = finding;
    const line = at.at(-1);
    return [
      html`<span class="${severity}">${severity}</span>`,
      html`<a href="#${ids.of(`n${i + 1}`)}">${kind}</a>`,
      placeOf(finding),
      formatCount(count),
      line === undefined ? "" : formatCount(line),
      message,
    ];
  });
  return part(
    ids,
    "findings",
    "Findings",
    shown.length === 0
      ? html`<p>${nothingText(reading)}</p>`
      : table(["severity", "finding", "place", "#times", "#line", "what"], rows),
    findings.length > shown.length
      ? html`<p class="dim">and ${formatCount(findings.length - shown.length)} more: spapr-iommu check lists all</p>`
      : undefined,
    notJudged.length === 0
      ? undefined
      : behind(
          `Not judged (${notJudged.length})`,
          html`<ul>${notJudged.map((reason) => html`<li>${reason}</li>`)}</ul>`,
        ),
    shown.map((finding, i) =>
      findingOf(pictures, finding, {
        id: ids.of(`n${i + 1}`),
        lines: lines[i]!,
        isPictured: pictured.has(i),
      }),
    ),
  );
}

const placeOf = ({ liobn, device, pci, ioba }: Finding): string =>
  [
    liobn === undefined ? device : hex(liobn),
    pci === undefined ? undefined : `(${pciDeviceText(pci)})`,
    ioba === undefined ? undefined : hex64(ioba),
  ]
    .filter((one) => one !== undefined)
    .join(" ");

/** The first findings of each kind. */
function picturedOf(findings: readonly Finding[]): ReadonlySet<number> {
  const counts = new Map<string, number>();
  const chosen = new Set<number>();
  for (const [i, { kind }] of findings.entries()) {
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    if (count <= PICTURED) chosen.add(i);
  }
  return chosen;
}

/** The first and the last events of a finding, in their order. */
function endsOf(recording: Recording, finding: Finding): number[] {
  const all = [...new Set(recording.eventsOf(finding))].sort((a, b) => a - b);
  return all.length <= 2 * END_LINES ? all : [...all.slice(0, END_LINES), ...all.slice(-END_LINES)];
}

/** The lines that prove each finding. */
async function provingLines(
  recording: Recording | undefined,
  findings: readonly Finding[],
): Promise<{ line: number; text: string }[][]> {
  if (recording === undefined) return findings.map(() => []);
  const wanted = findings.map((finding) => endsOf(recording, finding));
  const all = [...new Set(wanted.flat())].sort((a, b) => a - b);
  const lines = await recording.linesOf(all);
  const byEvent = new Map(lines.map((line) => [line.event, line]));
  return wanted.map((events) =>
    events.flatMap((event) => {
      const found = byEvent.get(event);
      return found === undefined ? [] : [found];
    }),
  );
}

interface FindingPlace {
  readonly id: string;
  readonly lines: readonly { readonly line: number; readonly text: string }[];
  readonly isPictured: boolean;
}

function findingOf(
  pictures: Pictures | undefined,
  finding: Finding,
  { id, lines, isPictured }: FindingPlace,
): Html {
  const { kind, severity, message, count, stack, logLines } = finding;
  const [logLine] = logLines;
  const inLog = logLine === undefined ? "" : ` (line ${logLine} of the kernel's log)`;
  const texts = lines.map(({ line, text }) => html`${String(line).padStart(9)}  ${cut(text)}\n`);
  return html`<section id="${id}"><h4><span class="${severity}">${severity}</span> ${kind}: ${placeOf(finding)}</h4>
<p>${message}${count > 1 ? ` (${formatCount(count)} times)` : ""}${inLog}</p>${
    texts.length === 0 ? undefined : html`<pre tabindex="0">${texts}</pre>`
  }${stack.map(({ call, line, frames }) => html`<p class="dim">${call} (line ${line}) by ${framesText(frames)}</p>`)}${
    pictures === undefined || !isPictured ? undefined : momentOf(pictures, finding)
  }</section>`;
}

const cut = (text: string): string => (text.length > MAX_LINE ? `${text.slice(0, MAX_LINE)}…` : text);

/** The addresses of a finding at its moment: a picture of what is around, and what was there before and after its events. */
function momentOf(pictures: Pictures, finding: Finding): Html | undefined {
  const { recording } = pictures;
  const { liobn, device, ioba, pages } = finding;
  const events = endsOf(recording, finding);
  const event = events.at(-1);
  const name = liobn === undefined ? device : hex(liobn);
  if (event === undefined || ioba === undefined) return undefined;
  const space = spacesAt(recording, event).find((one) => one.name === name);
  if (space === undefined) return undefined;
  const page = Number((ioba - space.start) >> BigInt(space.pageShift));
  if (page < 0 || page >= space.pages) return undefined;
  const { rows: shown, picture } = pictures.of(space).heat(event, page);
  const range = { first: page, end: page + Math.max(1, pages) };
  const marks = marksOf(shown, page, range.end - page);
  const caption = `${space.name} after event ${formatCount(event)}: single pages from ${addressOf(space, shown.starts[0]!)} on, 64 in a row`;
  const moments = [...new Set([events[0]! - 1, ...events.slice(0, 3), event])].filter((at) => at >= 0);
  const rows = moments.flatMap((at) => {
    const { rows: there } = rowsOf(recording, space, at, range, 3);
    return there.length === 0
      ? [[formatCount(at), "", "", "nothing is mapped"]]
      : there.map((row) => [formatCount(at), ...rowWords(row)]);
  });
  const heads = ["#after event", ...HEADS];
  return html`<figure>${svgOf(picture, caption, marks)}<figcaption>${caption}</figcaption></figure>${table(heads, rows)}`;
}

const addressOf = ({ start, pageShift }: Space, page: number): string =>
  hex64(BigInt.asUintN(64, start + (BigInt(page) << BigInt(pageShift))));

function rowsOf(
  recording: Recording,
  space: Space,
  event: number,
  range: { readonly first: number; readonly end: number },
  limit: number,
): { readonly rows: readonly Row[]; readonly all: number } {
  const rows: Row[] = [];
  let all = 0;
  recording.contents(space, event)?.forEachRow(range, (row) => {
    if (all++ < limit) rows.push(row);
  });
  return { rows, all };
}

/** What colours of a picture mean. */
const legend = (keys: readonly (readonly [ink: Ink, words: string])[]): Html =>
  html`<p class="legend">${keys.map(([ink, words]) => html`<span class="key k-${ink}">${words}</span>`)}</p>`;

const TIME_KEYS = [
  ["occupancy", "mapped"],
  ["map", "maps"],
  ["unmap", "unmaps"],
  ["use", "used"],
  ["fault", "faults"],
  ["refused", "refused"],
  ["moment", "windows change"],
] as const;

/** Where a picture of time begins and ends. */
const ends = ({ axis, view }: WholeAxis): Html =>
  axis === "time"
    ? html`<p class="axis"><span>0 s</span><span>${formatTime(view.to)}</span></p>`
    : html`<p class="axis"><span>event 0</span><span>event ${formatCount(view.to)}</span></p>`;

const CLASS_WORDS: Readonly<Record<EventClass, string>> = {
  map: "#maps",
  unmap: "#unmaps",
  use: "#used",
  fault: "#faults",
  refused: "#refused",
  moment: "#windows change",
  other: "#other",
};

function timeOf(pictures: Pictures, ids: Ids): Html {
  const { rows } = pictures.recording;
  const names = rows.lanes;
  const counts = names.map((_, lane) => {
    const all = new Uint32Array(EVENT_CLASSES.length);
    rows.count(lane, 0, rows.length, all, 0);
    return all;
  });
  const busiest = counts
    .map((all, lane) => ({ lane, events: all.reduce((a, b) => a + b, 0) }))
    .sort((a, b) => b.events - a.events || a.lane - b.lane);
  const shown = busiest
    .slice(0, MAX_LANES)
    .map(({ lane }) => lane)
    .sort((a, b) => a - b);
  const picture = pictures.time(shown);
  const more = names.length - shown.length;
  return part(
    ids,
    "time",
    "Time",
    legend(TIME_KEYS),
    html`<figure>${svgOf({ ...picture, height: Math.max(LANE_HEIGHT, picture.height) }, "maps, unmaps, faults and what is mapped, over time")}${ends(pictures.whole)}</figure>`,
    more > 0 ? html`<p class="dim">The ${shown.length} busiest of ${names.length} are drawn.</p>` : undefined,
    behind(
      "table",
      table(
        ["lane", ...EVENT_CLASSES.map((name) => CLASS_WORDS[name]), "#pages mapped at the end"],
        names
          .slice(0, MAX_ROWS)
          .map((name, lane) => [
            name,
            ...[...counts[lane]!].map(formatCount),
            formatCount(rows.latest(lane)),
          ]),
      ),
    ),
  );
}

function structureOf(recording: Recording, ids: Ids): Html {
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

/** Spaces: first those of which something was found, then by what happened in them. */
function byImportance(recording: Recording, findings: readonly Finding[]): Space[] {
  const { rows } = recording;
  const named = new Map<string, number>();
  for (const { liobn, device } of findings) {
    const name = liobn === undefined ? device : hex(liobn);
    if (name !== undefined) named.set(name, (named.get(name) ?? 0) + 1);
  }
  const eventsOf = ({ lane }: Space): number => {
    const counts = new Uint32Array(EVENT_CLASSES.length);
    rows.count(lane, 0, rows.length, counts, 0);
    return counts.reduce((a, b) => a + b, 0);
  };
  return recording.spaces
    .map((space) => ({ space, found: named.get(space.name) ?? 0, events: eventsOf(space) }))
    .sort((a, b) => b.found - a.found || b.events - a.events || a.space.number - b.space.number)
    .map(({ space }) => space);
}

const LIFE_KEYS = [
  ["life", "unmapped"],
  ["alive", "still mapped at the end"],
  ["before", "mapped before the recording"],
] as const;

const HEAT_KEYS = [
  ["read-3", "read"],
  ["write-3", "write"],
  ["both-3", "both"],
  ["inferred", "inferred"],
  ["unknown", "unknown"],
] as const;

/** The name of a space; of one of several that had it, one after the other, also when. */
function titleOf({ spaces, rows }: Recording, { number, name, from, until }: Space): string {
  if (!spaces.some((other) => other.name === name && other.number !== number)) return name;
  return `${name}, events ${formatCount(from)} to ${formatCount(Math.min(until, rows.length) - 1)}`;
}

/** Lifetimes of a space, and what is in it at its end. */
function spaceOf(pictures: Pictures, space: Space, ids: Ids): Html {
  const { recording, whole } = pictures;
  const key = `s${space.number}`;
  const own = pictures.of(space);
  const { lines, picture } = own.lifetimes(whole);
  const last = Math.min(recording.rows.length - 1, space.until - 1);
  const heat = own.heat(last);
  const { rows, all } = rowsOf(recording, space, last, { first: 0, end: space.pages }, MAX_ROWS);
  const cell = formatSize(1n << BigInt(space.pageShift + heat.rows.shift));
  const alive = lines.ends.reduce(
    (sum, end, i) => (end === Number.POSITIVE_INFINITY ? sum + lines.counts[i]! : sum),
    0,
  );
  const about = `${formatCount(lines.all)} mappings of ${space.name}, ${formatCount(alive)} do not end`;
  const folded = heat.rows.folds.some((fold) => fold > 1)
    ? "; a thin row is a long stretch that was never used"
    : "";
  const at = `${space.name} after event ${formatCount(last)}; a cell is ${cell}, a row ${formatSize(64n << BigInt(space.pageShift + heat.rows.shift))}${folded}`;
  return html`<section aria-labelledby="${ids.label(key)}"><h3 id="${ids.of(key)}">${titleOf(recording, space)}</h3>
<section aria-labelledby="${ids.label(`${key}-l`, key)}"><h4 id="${ids.of(`${key}-l`)}">Lifetimes</h4>${legend(LIFE_KEYS)}<figure>${svgOf(picture, about)}${ends(whole)}<figcaption>${about}; bus addresses from ${addressOf(space, 0)} down to ${addressOf(space, space.pages - 1)}</figcaption></figure>${behind("table", livesTable(whole, space, lines))}</section>
<section aria-labelledby="${ids.label(`${key}-a`, key)}"><h4 id="${ids.of(`${key}-a`)}">Address</h4>${legend(HEAT_KEYS)}<figure>${svgOf(heat.picture, at)}<figcaption>${at}</figcaption></figure>${behind(
    "table",
    html`${table(HEADS, rows.map(rowWords))}${
      all > rows.length
        ? html`<p class="dim">and ${formatCount(all - rows.length)} more: spapr-iommu map lists all</p>`
        : undefined
    }`,
  )}</section></section>`;
}

/** Mappings that fall on one place of the picture are one row; those that do not end come first. */
function livesTable({ axis }: WholeAxis, space: Space, lines: LifeLines): Html {
  // What was mapped before the recording has no place on the axis.
  const startOf = (i: number): number => (Number.isNaN(lines.starts[i]!) ? -1 : lines.starts[i]!);
  const endOf = (i: number): number => Math.min(lines.ends[i]!, Number.MAX_VALUE);
  const order = Array.from({ length: lines.count }, (_, i) => i).sort(
    (a, b) => endOf(b) - endOf(a) || startOf(a) - startOf(b) || lines.firsts[a]! - lines.firsts[b]!,
  );
  const when = (at: number, none: string): string => {
    if (!Number.isFinite(at)) return none;
    return axis === "time" ? formatTime(at) : `event ${formatCount(at)}`;
  };
  const shown = order.slice(0, MAX_ROWS);
  const rows = shown.map((i) => [
    addressOf(space, lines.firsts[i]!),
    formatCount(lines.pages[i]!),
    when(lines.starts[i]!, "before the recording"),
    when(lines.ends[i]!, "never"),
    formatCount(lines.counts[i]!),
  ]);
  return html`${table(["bus address", "#pages", "mapped at", "unmapped at", "#mappings"], rows)}${
    lines.count > shown.length
      ? html`<p class="dim">and ${formatCount(lines.count - shown.length)} more places of the picture</p>`
      : undefined
  }`;
}
