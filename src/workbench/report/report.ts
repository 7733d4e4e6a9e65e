import { hex } from "../../base/u64.ts";
import { counted, formatSize, formatTime } from "../../base/units.ts";
import type { Finding } from "../../check/findings/finding.ts";
import type { Reading } from "../desk/open-recording.ts";
import type { Recording } from "../desk/recording.ts";
import { EVENT_CLASSES, type Space } from "../protocol.ts";
import { findingsOf } from "./findings-part.ts";
import { type Html, html } from "./html.ts";
import { Ids, nothingText } from "./parts.ts";
import { Pictures } from "./pictures.ts";
import { spaceOf, titleOf } from "./space-part.ts";
import { structureOf } from "./structure-part.ts";
import { HATCHES } from "./svg.ts";
import { timeOf } from "./time-part.ts";

/** Characters that a file takes at most: what does not fit is left out, which is said. */
const MAX_FILE = 2_500_000;
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

function verdictOf(errors: number, warnings: number): Html {
  const parts = [
    ...(errors > 0 ? [html`<span class="error">${counted(errors, "error")}</span>`] : []),
    ...(warnings > 0 ? [html`<span class="warning">${counted(warnings, "warning")}</span>`] : []),
  ];
  return html`${parts[0]}${parts.length > 1 ? [", ", parts[1]] : ""}`;
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
