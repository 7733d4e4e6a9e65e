import { IommuError } from "../../base/errors.ts";
import type { AddressRange } from "../../base/range.ts";
import { hex64 } from "../../base/u64.ts";
import { DmaUnmap } from "../protocol/payloads.ts";

/** A reply that is not to what was asked: it ends the connection. */
export const wrongReply = (message: string): IommuError => new IommuError("PEER", message);

/** The bytes of a range. */
export const sizeOf = ({ first, last }: AddressRange): bigint => last - first + 1n;

/** @throws IommuError PEER if the reply to a DMA_UNMAP is for another range */
export function checkUnmapped(what: () => string, body: Uint8Array, range: AddressRange): void {
  const { address, size } = DmaUnmap.read(body);
  if (address === range.first && size === sizeOf(range)) return;
  throw wrongReply(`${what()} is answered for ${size} bytes at ${hex64(address)}`);
}
