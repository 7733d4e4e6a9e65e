import { type Frame, newFrame, SMALL_FRAME } from "./layout.ts";

/** A larger one is not kept. */
const LARGEST = 2 ** 20 + 4096;

/**
 * Gives room for messages from one buffer that is used again and again: the collector has more to do with large buffers
 * than we have with what is in them.
 */
export class FrameStore {
  #spare: ArrayBuffer | undefined;

  /** Room for a message of so many bytes, which may hold anything. */
  readonly take = (bytes: number): Frame => {
    const spare = this.#spare;
    if (bytes <= SMALL_FRAME || bytes > LARGEST) return newFrame(bytes);
    this.#spare = undefined;
    if (spare !== undefined && spare.byteLength >= bytes) return new Uint8Array(spare, 0, bytes);
    return new Uint8Array(new ArrayBuffer(2 ** Math.ceil(Math.log2(bytes))), 0, bytes);
  };

  /** The message was sent, and nobody looks at it any more. */
  giveBack({ buffer, length }: Frame): void {
    if (length <= SMALL_FRAME || buffer.byteLength > 2 * LARGEST) return;
    if (buffer.byteLength > (this.#spare?.byteLength ?? 0)) this.#spare = buffer;
  }
}
