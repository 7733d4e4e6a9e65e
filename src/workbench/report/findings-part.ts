import { hex, hex64 } from "../../base/u64.ts";
import { formatCount } from "../../base/units.ts";
import type { Finding } from "../../check/findings/finding.ts";
import { framesText } from "../../check/findings/finding-stack.ts";
import { pciDeviceText } from "../../formats/machine/pci-devices.ts";
import type { Reading } from "../desk/open-recording.ts";
import { type Recording, spacesAt } from "../desk/recording.ts";
import { rowWords } from "../row-words.ts";
import { type Html, html, table } from "./html.ts";
import { addressOf, behind, HEADS, type Ids, nothingText, part, rowsOf } from "./parts.ts";
import { marksOf, type Pictures } from "./pictures.ts";
import { svgOf } from "./svg.ts";

/** Findings that are shown; `check` lists all. */
const MAX_FINDINGS = 200;
/** Those of a kind that have pictures: more of the same are as good as these. */
const PICTURED = 5;
/** Lines of a finding, of its first events and of its last ones, and characters of each. */
const [END_LINES, MAX_LINE] = [4, 600];

/** What was found, each with the lines that prove it; the first ones of a kind with what was around. */
export async function findingsOf(reading: Reading, pictures: Pictures | undefined, ids: Ids): Promise<Html> {
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
