import type { InputData } from "../../src/formats/input/input-data.ts";

/** Pieces of odd lengths in one buffer that is used again, as sources may do. */
export async function* lentPieces(bytes: Uint8Array, length = 1021): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(length);
  for (let at = 0; at < bytes.length; at += length) {
    const piece = bytes.subarray(at, at + length);
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
  }
  buffer.fill(0xff);
}

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1021) yield bytes.slice(at, at + 1021);
}

/** Every form in which bytes can be given; what `isOnce` says is whether they can be read only once. */
export const inputForms = (
  bytes: Uint8Array<ArrayBuffer>,
): readonly { readonly form: string; readonly isOnce: boolean; readonly open: () => InputData }[] => [
  { form: "bytes", isOnce: false, open: () => bytes },
  { form: "a Blob", isOnce: false, open: () => new Blob([bytes]) },
  { form: "a list", isOnce: false, open: () => [...pieces(bytes)] },
  { form: "a function", isOnce: false, open: () => () => lentPieces(bytes) },
  {
    form: "a file",
    isOnce: false,
    open: () => ({
      size: bytes.length,
      read: async (offset, length) => bytes.subarray(offset, offset + length),
    }),
  },
  { form: "a ReadableStream", isOnce: true, open: () => new Blob([bytes]).stream() },
  { form: "an async iterable", isOnce: true, open: () => lentPieces(bytes) },
  { form: "an iterable", isOnce: true, open: () => pieces(bytes) },
];
