import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import type { SavedTable } from "../../spapr/saved-table.ts";
import { descriptionText, type JsonObject, type StreamDescription } from "./description.ts";
import { type Patch, patched } from "./patch.ts";
import type { ByteFile, ByteStreamFactory } from "./source.ts";
import type { MigrationStream, SavedWindow } from "./stream.ts";
import { describeTceSection, tceSectionData } from "./tce-section-writer.ts";

/**
 * Writes a stream with other TCE tables in place of its own. Everything else
 * stays byte for byte; where a table's length changes, the description at the
 * end of the stream follows. A piece may be overwritten when the next one is
 * asked for.
 *
 * @param source where the stream was read from
 * @param stream what was read
 * @param sections the new states; each LIOBN must be one of the stream's
 * @throws IommuError BAD_ARGUMENT if a section does not belong into the stream
 * @public
 */
export async function* editMigration(
  source: ByteFile | ByteStreamFactory,
  stream: MigrationStream,
  sections: Iterable<SavedTable>,
): AsyncGenerator<Uint8Array> {
  const pairs = [...sections].map((after) => ({ before: windowOf(stream, after), after }));
  pairs.sort((a, b) => a.before.tableOffset - b.before.tableOffset);
  for (const [i, { before }] of pairs.entries()) {
    if (before === pairs[i + 1]?.before) {
      throw new IommuError("BAD_ARGUMENT", `LIOBN ${hex(before.liobn)} is replaced twice`, {
        liobn: before.liobn,
      });
    }
  }
  const patches: Patch[] = pairs.map(({ before, after }) => ({
    offset: before.section.dataOffset,
    length: before.section.dataLength,
    bytes: tceSectionData(after),
  }));
  const reshaped = pairs.filter(({ before, after }) => shapeOf(before) !== shapeOf(after));
  if (stream.description !== null && reshaped.length > 0) {
    patches.push(descriptionPatch(stream, stream.description, reshaped));
  }
  yield* patched(source, patches, stream.length);
}

function windowOf(stream: MigrationStream, section: SavedTable): SavedWindow {
  const window = stream.windows.find(({ liobn }) => liobn === section.liobn);
  if (window === undefined || window.version !== section.version) {
    const which = `LIOBN ${hex(section.liobn)}, version ${section.version}`;
    throw new IommuError("BAD_ARGUMENT", `the stream has no TCE table of ${which}`, { liobn: section.liobn });
  }
  return window;
}

/** What of a section shows in the description. */
const shapeOf = (section: SavedTable): string => descriptionText(describeTceSection(section));

function descriptionPatch(
  stream: MigrationStream,
  description: StreamDescription,
  reshaped: readonly { before: SavedWindow; after: SavedTable }[],
): Patch {
  const { offset, text, json } = description;
  if (descriptionText(json) !== text) {
    throw new IommuError(
      "UNSUPPORTED",
      `migration stream, byte ${offset}: the description of the sections is not spelled as QEMU does, and cannot be changed`,
      { offset },
    );
  }
  const full = stream.sections.filter((section) => section.kind === "full");
  const devices = description.sections.map((section) => section.json);
  for (const { before, after } of reshaped) {
    const index = full.indexOf(before.section);
    const { subsections: _, ...kept } = devices[index]!;
    devices[index] = { ...kept, ...describeTceSection(after) } satisfies JsonObject;
  }
  const bytes = new TextEncoder().encode(descriptionText({ ...json, devices }));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  // After the byte that begins the record: the length, then the text.
  return { offset: offset + 1, length: stream.length - offset - 1, bytes: [length, bytes] };
}
