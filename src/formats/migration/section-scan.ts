import { type ByteCursor, u32At } from "./byte-cursor.ts";

/** Byte that begins the footer of a section. */
export const RECORD_FOOTER = 0x7e;
/** The footer: its byte and the section's id. */
export const FOOTER_BYTES = 5;

/** What can follow a FULL section: the end, another one, a command. */
const AFTER_FULL: readonly number[] = [0x00, 0x04, 0x08];

/**
 * Passes over the data of a section of unknown length, to its footer.
 *
 * The footer is taken for one where its five bytes are followed by a byte that
 * begins a record. Data could contain the same six bytes, by intent at least:
 * whoever scans must compare the lengths found with the description.
 */
export async function skipToFooter(cursor: ByteCursor, sectionId: number): Promise<void> {
  for (;;) {
    await cursor.need(FOOTER_BYTES + 1, `section ${sectionId}, whose footer was not found`);
    const { bytes } = cursor;
    const last = bytes.length - FOOTER_BYTES - 1;
    let at = bytes.indexOf(RECORD_FOOTER, cursor.at);
    while (at >= 0 && at <= last) {
      if (u32At(bytes, at + 1) === sectionId && AFTER_FULL.includes(bytes[at + FOOTER_BYTES]!)) {
        cursor.at = at;
        return;
      }
      at = bytes.indexOf(RECORD_FOOTER, at + 1);
    }
    // What is left could be the beginning of a footer.
    cursor.at = last + 1;
  }
}
