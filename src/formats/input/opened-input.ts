import { IommuError } from "../../base/errors.ts";
import { HIDDEN_STREAM_BYTES, mayHideStream, placeOfSaved, SAVED_HEAD_BYTES } from "../container/place.ts";
import {
  type ByteStream,
  isFile,
  isOnce,
  type MigrationSource,
  openSource,
  sizeOf,
} from "../migration/source.ts";
import { firstNonZero } from "../migration/zero-scan.ts";
import { type InputData, type RawSource, rawSource } from "./input-data.ts";
import type { Packing } from "./packing.ts";
import { peek } from "./peek.ts";
import { unpacked } from "./unpacked.ts";

const ZEROS_AT_ONCE = 2 ** 20;

/** An input of which the first bytes are known. */
export interface OpenedInput {
  /** At least as many unpacked bytes as were asked for, unless there are fewer. */
  readonly head: Uint8Array;
  /** All unpacked bytes from the start on, once. */
  readonly chunks: AsyncGenerator<Uint8Array>;
  /** How it is packed, the outer way first. */
  readonly packings: readonly Packing[];
  /** Where a saved machine begins: a migration stream, or what has one in it. Undefined if there is none. */
  readonly savedAt: number | undefined;
  /**
   * The same for who may read them again. Where that is not possible it is {@link chunks}; otherwise these are closed.
   */
  source(): Promise<MigrationSource>;
}

/**
 * Opens what was given, and looks at its first bytes.
 *
 * @param name of the input, for messages
 * @throws IommuError BAD_FILE if nothing can be read
 */
export async function openInput(data: InputData, name: string, headBytes: number): Promise<OpenedInput> {
  const raw = rawSource(data);
  const packings: Packing[] = [];
  const size = sizeOf(raw);
  const bytes = unpacked(inOrder(raw), name, { size, onLayer: (packing) => packings.push(packing) });
  const first = await peek(bytes, Math.max(headBytes, SAVED_HEAD_BYTES));
  const isHidden = mayHideStream(first.head);
  const { head, chunks } = isHidden ? await peek(first.chunks, HIDDEN_STREAM_BYTES) : first;
  const source = async (): Promise<MigrationSource> => {
    if (isOnce(raw)) return chunks;
    await chunks.return(undefined);
    return packings.length > 0 ? () => unpacked(inOrder(raw), name, { size }) : raw;
  };
  const savedAt =
    placeOfSaved(head) ?? (packings.length === 0 ? await placeBehindZeros(raw, head) : undefined);
  return { head, chunks, packings, savedAt, source };
}

/** Where in a file that begins with zeros, however many, a saved machine begins: `file:NAME,offset=N` leaves such a hole. */
async function placeBehindZeros(raw: RawSource, head: Uint8Array): Promise<number | undefined> {
  if (typeof raw === "function" || isOnce(raw) || firstNonZero(head, 0, head.length) < head.length)
    return undefined;
  for (let offset = head.length; offset < raw.size; ) {
    const piece = await raw.read(offset, ZEROS_AT_ONCE);
    const at = firstNonZero(piece, 0, piece.length);
    offset += at;
    if (at < piece.length || piece.length === 0)
      return placeOfSaved(await raw.read(offset, SAVED_HEAD_BYTES)) === 0 ? offset : undefined;
  }
  return undefined;
}

/** The bytes in order; of a file as a stream, if it has one. */
const inOrder = (raw: RawSource): ByteStream =>
  typeof raw !== "function" && !isOnce(raw) && isFile(raw) && raw.stream !== undefined
    ? raw.stream()
    : openSource(raw);

/** What takes the bytes of an input. */
export interface ByteSink {
  push(chunk: Uint8Array): void;
  /** The bytes end early, for a reason. */
  truncated(reason: string): void;
}

/** Gives all bytes to a reader; see {@link untilTruncated}. */
export async function pour(chunks: ByteStream, sink: ByteSink): Promise<void> {
  for await (const chunk of untilTruncated(chunks, (reason) => sink.truncated(reason))) sink.push(chunk);
}

/** The bytes of a packed input that may end early, as far as they go. */
export async function* untilTruncated(chunks: ByteStream, truncated: (reason: string) => void): ByteStream {
  try {
    yield* chunks;
  } catch (error) {
    const reason = error instanceof IommuError ? error.details.early : undefined;
    if (typeof reason !== "string") throw error;
    truncated(reason);
  }
}

/** Puts the name of the input into the error that a reading ends with, unless it is there already. */
export async function named<Result>(name: string, reading: Promise<Result>): Promise<Result> {
  try {
    return await reading;
  } catch (cause) {
    if (!(cause instanceof IommuError) || "path" in cause.details) throw cause;
    const details = { path: name, ...cause.details };
    throw new IommuError(cause.code, `${name}: ${cause.message}`, details, { cause });
  }
}
