import type { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import type { DmaRecord } from "../../vfio-user/client/dma-service.ts";
import { type DmaRefusal, isInnocent } from "../../vfio-user/client/dma-verdict.ts";
import type { Divergence } from "../../vfio-user/client/window-container.ts";

/**
 * What is wrong with a device: a DMA that it may not do (for kinds, see {@link DmaRefusal}), a mapping on which it and the
 * guest do not agree, a command that it does not answer, a message that breaks the protocol, or its end.
 *
 * @public
 */
export type DeviceFindingKind = DmaRefusal | "divergence" | "hang" | "protocol" | "lost";

/**
 * Something that is wrong with a device.
 *
 * @public
 */
export interface DeviceFinding {
  readonly kind: DeviceFindingKind;
  readonly why: string;
}

/** A DMA as the result of an operation shows it. */
export interface DmaLine {
  readonly op: "read" | "write";
  readonly iova: string;
  readonly len: number;
  readonly errno?: number;
  readonly refusal?: DmaRefusal;
  readonly why?: string;
}

/** A DMA as a result shows it. */
export const dmaLine = ({ write, address, bytes, errno, refusal, why }: DmaRecord): DmaLine => ({
  op: write ? "write" : "read",
  iova: hex(address),
  len: bytes,
  ...(errno === 0 ? {} : { errno }),
  ...(refusal === undefined ? {} : { refusal }),
  ...(why === undefined ? {} : { why }),
});

/** A refused DMA is a finding, unless the device could not know. */
export const findingOfDma = ({
  write,
  address,
  bytes,
  refusal,
  why,
}: DmaRecord): DeviceFinding | undefined =>
  refusal === undefined || isInnocent(refusal)
    ? undefined
    : { kind: refusal, why: `${write ? "write" : "read"} of ${bytes} bytes at ${hex(address)}: ${why}` };

export const findingOfDivergence = ({ command, why }: Divergence): DeviceFinding => ({
  kind: "divergence",
  why: `${command} refused, so guest and device do not agree: ${why}`,
});

/** Why a connection ended. */
export function findingOfEnd(end: IommuError): DeviceFinding {
  if (end.details.silentMs !== undefined) return { kind: "hang", why: end.message };
  return {
    kind: /the other side closed|ECONNRESET|EPIPE/.test(end.message) ? "lost" : "protocol",
    why: end.message,
  };
}
