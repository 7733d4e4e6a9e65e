import { isPacked } from "../file-kind.ts";
import { isMigrationStream } from "../migration/configuration.ts";
import { isLibvirtImage } from "./libvirt-image.ts";
import { isQcow2 } from "./qcow2.ts";

/** Bytes in which a migration stream is looked for that does not begin a file (`file:NAME,offset=N` leaves some before it). */
export const HIDDEN_STREAM_BYTES: number = 4 * 2 ** 20;

/** Bytes that tell a saved machine by itself. */
export const SAVED_HEAD_BYTES = 16;

/** "QEVM" and the version. */
const STREAM_HEAD = Uint8Array.of(0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3);

/** Do these first bytes, 16 or more, begin a saved machine: a migration stream, or what may have one in it? */
export const isSavedMachine = (head: Uint8Array): boolean =>
  isMigrationStream(head) || isLibvirtImage(head) || isQcow2(head);

/**
 * Can a migration stream follow these first bytes? Text has no control characters but blanks, escapes and ends of lines; and
 * what is packed has the stream's beginning at most.
 */
export const mayHideStream = (head: Uint8Array): boolean =>
  !isSavedMachine(head) && !isPacked(head) && hasControls(head);

function hasControls(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at]! < 0x07) return true;
  return false;
}

/** Where in the first bytes of a file a saved machine begins; undefined if none does. */
export function placeOfSaved(head: Uint8Array): number | undefined {
  if (isSavedMachine(head)) return 0;
  if (!mayHideStream(head)) return undefined;
  for (let at = head.indexOf(0x51); at >= 0; at = head.indexOf(0x51, at + 1)) {
    if (STREAM_HEAD.every((byte, i) => head[at + i] === byte)) return at;
  }
  return undefined;
}
