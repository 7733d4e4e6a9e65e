/**
 * The format of files of QEMU's `simple` trace backend: header, and what a record can be.
 *
 * @module
 */

import { IommuError } from "../../base/errors.ts";
import { hex, U64_MAX } from "../../base/u64.ts";

/** Second word of a file. */
const MAGIC = 0xf2b1_77cb_0aa4_29b4n;
/** Bytes of the header: all ones, {@link MAGIC}, and the version. */
export const FILE_HEADER = 24;

/** Event id, time, length and process id; the length counts them, and not the type before them. */
export const EVENT_HEADER = 24;
/** Event id and length of the name. */
export const MAPPING_HEADER = 12;
/** Types of records, from version 4 on. */
export const TYPE_MAPPING = 0;
export const TYPE_EVENT = 1;
/** The record that counts lost events has this id, all ones but the last bit, and one argument. */
export const DROPPED_ID_LO = 0xffff_fffe;
export const DROPPED_LENGTH: number = EVENT_HEADER + 8;

/** QEMU 7.2 has 3943 events; ids from here on are damage. */
export const MAX_IDS = 65_536;
/** The longest name in QEMU has some 60 letters. */
export const MAX_NAME = 256;
/** A record of seven strings of 512 bytes has less than 4 KiB; QEMU's whole ring has 256 KiB. */
export const MAX_RECORD = 65_535;

/** Do these bytes begin as a simple trace does? 16 of them decide. */
export function isSimpleTrace(bytes: Uint8Array): boolean {
  if (bytes.length < 16) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  if (view.getBigUint64(0) !== U64_MAX) return false;
  return view.getBigUint64(8) === MAGIC || view.getBigUint64(8, true) === MAGIC;
}

/** What the header of a file says. */
interface SimpleHeader {
  readonly version: number;
  readonly little: boolean;
}

/**
 * Reads the header of a file.
 *
 * @throws IommuError BAD_FILE or UNSUPPORTED for a file that is of another format or version
 */
export function readSimpleHeader(view: DataView): SimpleHeader {
  const little = view.getBigUint64(8, true) === MAGIC;
  if (!isSimpleTrace(new Uint8Array(view.buffer, view.byteOffset, FILE_HEADER))) {
    const magic = hex(view.getBigUint64(8, true));
    throw new IommuError(
      "BAD_FILE",
      `not a simple trace: ${magic} at byte 8 is not ${hex(MAGIC)} in either byte order`,
    );
  }
  const version = view.getBigUint64(16, little);
  if (version < 2n || version > 4n) {
    throw new IommuError(
      "UNSUPPORTED",
      `version ${version} of simple traces (byte 16) is not one of 2, 3, 4`,
    );
  }
  return { version: Number(version), little };
}
