import { IommuError } from "../../base/errors.ts";
import type { ByteStream } from "../migration/source.ts";
import { joined } from "./peek.ts";

/** The largest text that is read as a whole, unpacked: twenty times the longest recording. */
const MAX_TEXT_BYTES = 32 * 2 ** 20;

/**
 * A whole text.
 *
 * @param name of the input, for messages
 * @throws IommuError BAD_FILE if it is no UTF-8, with the place; LIMIT_EXCEEDED if it is too large
 */
export async function textOf(chunks: ByteStream, name: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > MAX_TEXT_BYTES) {
      const message = `${name}: a text of more than ${MAX_TEXT_BYTES} bytes`;
      throw new IommuError("LIMIT_EXCEEDED", message, { path: name, limit: MAX_TEXT_BYTES });
    }
    pieces.push(new Uint8Array(chunk));
  }
  return decodeText(joined(pieces.splice(0)), name);
}

function decodeText(bytes: Uint8Array, name: string): string {
  const text = tryDecode(bytes, false);
  if (text !== undefined) return text;
  // The most bytes that may begin a text end before the one that cannot go on.
  let good = 0;
  let bad = bytes.length;
  while (good < bad) {
    const middle = (good + bad + 1) >>> 1;
    if (tryDecode(bytes.subarray(0, middle), true) === undefined) bad = middle - 1;
    else good = middle;
  }
  const before = tryDecode(bytes.subarray(0, good), true)!.split("\n");
  const found = good < bytes.length ? `byte 0x${bytes[good]!.toString(16)} is` : "the end cuts what would be";
  const place = `${name}:${before.length}:${before.at(-1)!.length + 1}`;
  throw new IommuError("BAD_FILE", `${place}: ${found} no UTF-8`, { file: name, line: before.length });
}

/** The text of some bytes, without the mark that programs of Windows begin a text with; undefined if they are no UTF-8. */
function tryDecode(bytes: Uint8Array, goesOn: boolean): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: goesOn });
  } catch {
    return undefined;
  }
}
