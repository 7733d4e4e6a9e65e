/**
 * The head of what `virsh save`, `managedsave` and the memory of an external snapshot are written to.
 *
 * 92 bytes in the byte order of the host: 16 of a magic, then u32: version 2, length of the data, whether the domain was
 * running, number of the form, place of a cookie in the data, 14 times 0. The data are the domain's XML, a zero, a cookie,
 * a zero, and zeros to grow into. What QEMU wrote follows, packed or not.
 *
 * @module
 */

import { IommuError } from "../../base/errors.ts";
import type { ByteCursor } from "../migration/byte-cursor.ts";

const MAGIC = "LibvirtQemudSave";
/** The image while it is written: libvirt, or the host, ended before it was done. */
const PARTIAL_MAGIC = "LibvirtQemudPart";
const HEAD_BYTES = 92;
const VERSION = 2;
/** Longest XML that is read; a domain has some 10 KB, and libvirt adds 64 KiB. */
const MAX_DATA = 16 * 2 ** 20;

/** Forms by their numbers; what is there tells how it is packed. */
const FORMS: readonly string[] = ["raw", "gzip", "bzip2", "xz", "lzop", "zstd", "sparse"];

/** What libvirt says of a machine that it saved. */
export interface LibvirtImage {
  /** Description of the domain. */
  readonly domainXml: string;
  readonly wasRunning: boolean;
  /** The saving did not come to its end. */
  readonly isPartial: boolean;
  /** `raw`, `xz`, `sparse` and so on. */
  readonly form: string;
}

/** Do these first bytes begin an image of libvirt's? */
export const isLibvirtImage = (head: Uint8Array): boolean => [MAGIC, PARTIAL_MAGIC].includes(magicOf(head));

const magicOf = (head: Uint8Array): string => String.fromCharCode(...head.subarray(0, MAGIC.length));

/**
 * Reads the head of an image. After it the cursor is where QEMU's bytes begin.
 *
 * @throws IommuError BAD_FILE with the offset for a head that cannot be; UNSUPPORTED for another version
 */
export async function readLibvirtImage(cursor: ByteCursor): Promise<LibvirtImage> {
  if (!(await cursor.fill(HEAD_BYTES))) throw failed("BAD_FILE", cursor.available, "ends within its head");
  const head = cursor.bytes.slice(cursor.at, cursor.at + HEAD_BYTES);
  cursor.at += HEAD_BYTES;
  const isLittle = new DataView(head.buffer).getUint32(16, true) <= 0xffff;
  const [version, length, running, form] = [16, 20, 24, 28].map((at) =>
    new DataView(head.buffer).getUint32(at, isLittle),
  ) as [number, number, number, number];
  if (version !== VERSION) throw failed("UNSUPPORTED", 16, `is of version ${version}, not ${VERSION}`);
  if (length > MAX_DATA)
    throw failed("BAD_FILE", 20, `has ${length} bytes of description; at most ${MAX_DATA} are read`);
  if (!(await cursor.fill(length)))
    throw failed("BAD_FILE", HEAD_BYTES + cursor.available, `ends within ${length} bytes of description`);
  const data = cursor.bytes.subarray(cursor.at, cursor.at + length);
  const end = data.indexOf(0);
  const domainXml = new TextDecoder().decode(data.slice(0, end < 0 ? length : end));
  cursor.at += length;
  return {
    domainXml,
    wasRunning: running !== 0,
    isPartial: magicOf(head) === PARTIAL_MAGIC,
    form: FORMS[form] ?? `form ${form}`,
  };
}

const failed = (code: "BAD_FILE" | "UNSUPPORTED", offset: number, what: string): IommuError =>
  new IommuError(code, `libvirt's image, byte ${offset}: ${what}`, { offset });
