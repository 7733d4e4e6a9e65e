import { hex } from "../../base/u64.ts";
import { badStream, unsupportedStream } from "./byte-cursor.ts";
import type { DescribedSection, StreamDescription } from "./description.ts";

/**
 * A section that begins a piece of state: of a device (FULL), or the START of a live one.
 *
 * @public
 */
export interface SectionInfo {
  readonly kind: "full" | "live";
  readonly id: number;
  readonly name: string;
  readonly instanceId: number;
  readonly version: number;
  /** Offset in the stream of the section's first byte. */
  readonly offset: number;
  /** Offset of its data. */
  readonly dataOffset: number;
  /** Bytes of data; of a live section only those of its START. */
  readonly dataLength: number;
}

/** What stands before the data of a section. */
export type SectionHead = Omit<SectionInfo, "kind" | "dataLength">;

/** Refuses a live section of another version than the one that is read. */
export function requireVersion(head: SectionHead, version: number): void {
  if (head.version !== version) {
    throw unsupportedStream(
      head.offset,
      `version ${head.version} of section ${JSON.stringify(head.name)}, not ${version}`,
    );
  }
}

/** Compares a section with the element of the description at its place. */
export function checkName(head: SectionHead, described: DescribedSection | undefined): void {
  if (head.name === described?.name && head.instanceId === described.instanceId) return;
  const found = `${JSON.stringify(head.name)} ${hex(head.instanceId)}`;
  const expected =
    described === undefined ? "no section" : `${JSON.stringify(described.name)} ${hex(described.instanceId)}`;
  throw badStream(head.offset, `section ${found}, where the description of the sections has ${expected}`);
}

/** Compares the length of a section with the one that is described; the note ends the message if they differ. */
export function checkLength(section: SectionInfo, length: number, note = ""): void {
  if (section.dataLength === length) return;
  throw badStream(
    section.dataOffset,
    `section ${JSON.stringify(section.name)} has ${section.dataLength} bytes of data, described are ${length}${note}`,
  );
}

/** Compares all FULL sections of a stream with its description. */
export function checkSections(
  full: readonly SectionInfo[],
  description: StreamDescription,
  note: string,
): void {
  for (const [index, section] of full.entries()) {
    const described = description.sections[index];
    checkName(section, described);
    checkLength(section, described!.length, note);
  }
  if (full.length === description.sections.length) return;
  throw badStream(
    description.offset,
    `${full.length} sections of devices, ${description.sections.length} are described`,
  );
}
