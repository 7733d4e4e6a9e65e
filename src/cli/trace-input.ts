import { IommuError } from "../base/errors.ts";
import { detectTraceFormat, type TraceFormat } from "../formats/trace/detect.ts";
import { displayName, openInput } from "./input.ts";

/** What detection looks at. */
const HEAD_BYTES = 65_536;

/** A trace whose format is known, and its bytes from the start on. */
export interface TraceInput {
  readonly format: TraceFormat;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/**
 * Opens a trace of any format, packed or not, `-` for standard input.
 *
 * @param onRead hears how many bytes of the file itself were read
 * @throws IommuError UNSUPPORTED if it is no trace
 */
export async function openTrace(path: string, onRead: (bytes: number) => void): Promise<TraceInput> {
  const source = openInput(path, onRead);
  const head: Uint8Array[] = [];
  for (let bytes = 0; bytes < HEAD_BYTES; ) {
    const next = await source.next();
    if (next.done === true) break;
    head.push(next.value);
    bytes += next.value.length;
  }
  const format = detectTraceFormat(Buffer.concat(head));
  if (format === undefined) {
    await source.return(undefined);
    throw new IommuError("UNSUPPORTED", `${displayName(path)}: ${describe(head)}`, { path });
  }
  return { format, chunks: chain(head, source) };
}

async function* chain(
  head: readonly Uint8Array[],
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* head;
  yield* rest;
}

function describe(head: readonly Uint8Array[]): string {
  if (head.length === 0) return "is empty";
  return "is no trace: none of its first 64 KiB reads as QEMU's log or simple format, or as Linux' dma events";
}
