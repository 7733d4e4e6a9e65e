import type { Errno } from "../base/errno.ts";
import { hex } from "../base/u64.ts";
import type { DmaContainer } from "./container.ts";
import type { DmaRun } from "./dma-run.ts";

/** Pages of an x86-64 host, on which the recordings were made. */
const HOST_PAGE_SIZE = 0x1000n;
/** Flags of DMA_MAP. */
const PROT_READ = 1;
const PROT_WRITE = 2;

/**
 * A DMA message to a vfio-user device, as the recordings show it.
 *
 * @public
 */
export interface DmaMessage {
  readonly dev: string;
  readonly msg: "DMA_MAP" | "DMA_UNMAP";
  readonly iova: string;
  readonly size: string;
  /** DMA_MAP: 1 read, 3 read and write. */
  readonly prot?: number;
  /** DMA_MAP: offset in the file that is the guest's memory, which is the guest address. */
  readonly offset?: string;
  /** What the device answered, if not 0. */
  readonly errno?: number;
}

/**
 * How a device answers; see {@link acceptingServer} and {@link StrictServer}.
 *
 * @public
 */
export interface DmaServer {
  map(iova: bigint, size: bigint, prot: number, offset: bigint): number;
  unmap(iova: bigint, size: bigint): number;
}

/**
 * Accepts everything: a new mapping replaces what it overlaps.
 *
 * @public
 */
export const acceptingServer: DmaServer = { map: () => 0, unmap: () => 0 };

const ENOENT = 2;
const EINVAL = 22;

/**
 * Answers much as libvfio-user does: refuses a mapping that overlaps another
 * one, unless it is the very same, and an unmap that cuts a mapping or finds none.
 *
 * @public
 */
export class StrictServer implements DmaServer {
  readonly #mappings = new Map<bigint, { last: bigint; prot: number; offset: bigint }>();

  map(iova: bigint, size: bigint, prot: number, offset: bigint): number {
    const last = iova + size - 1n;
    const known = this.#mappings.get(iova);
    if (known !== undefined && known.last === last && known.prot === prot && known.offset === offset)
      return 0;
    if (this.#overlapping(iova, last).length > 0) return EINVAL;
    this.#mappings.set(iova, { last, prot, offset });
    return 0;
  }

  unmap(iova: bigint, size: bigint): number {
    const last = iova + size - 1n;
    const hit = this.#overlapping(iova, last);
    if (hit.length === 0) return ENOENT;
    if (hit.some(([first, mapping]) => first < iova || mapping.last > last)) return EINVAL;
    for (const [first] of hit) this.#mappings.delete(first);
    return 0;
  }

  #overlapping(first: bigint, last: bigint): [bigint, { last: bigint }][] {
    return [...this.#mappings].filter(([at, mapping]) => at <= last && mapping.last >= first);
  }
}

/**
 * A message, and the place of its page among those of one hypercall.
 *
 * @public
 */
export interface OrderedMessage {
  readonly message: DmaMessage;
  /** Bus address of the page it belongs to. */
  readonly page: bigint;
}

/**
 * A vfio-user device as QEMU's listener sees it: no windows, one message for
 * each page, whatever page sizes the device offered.
 *
 * @public
 */
export class VfioUserContainer implements DmaContainer {
  readonly name: string;
  readonly hostPageSize: bigint = HOST_PAGE_SIZE;
  readonly #server: DmaServer;
  readonly #send: (message: OrderedMessage) => void;
  /** A refused MAP leaves what was mapped; else it is unmapped and the MAP tried again. */
  readonly #refusedMapStays: boolean;
  /** Pages that the device has: bus address and size. */
  readonly #mapped = new Map<bigint, bigint>();

  constructor(
    name: string,
    server: DmaServer,
    refusedMapStays: boolean,
    send: (message: OrderedMessage) => void,
  ) {
    this.name = name;
    this.#server = server;
    this.#refusedMapStays = refusedMapStays;
    this.#send = send;
  }

  map(run: DmaRun): Errno | 0 {
    const { iova, pageSize, pages, memory, readonly } = run;
    const { address } = memory;
    const prot = readonly ? PROT_READ : PROT_READ | PROT_WRITE;
    let result: Errno | 0 = 0;
    for (let i = 0n; i < BigInt(pages); i++) {
      const at = BigInt.asUintN(64, iova + i * pageSize);
      const offset = address + i * pageSize;
      let errno = this.#sendMap(at, pageSize, prot, offset);
      if (errno !== 0 && !this.#refusedMapStays) {
        this.#sendUnmap(at, pageSize);
        errno = this.#sendMap(at, pageSize, prot, offset);
      }
      if (errno !== 0) result = "EINVAL";
    }
    return result;
  }

  unmap({ iova, pageSize, pages }: DmaRun): Errno | 0 {
    let result: Errno | 0 = 0;
    for (let i = 0n; i < BigInt(pages); i++) {
      const errno = this.#sendUnmap(BigInt.asUintN(64, iova + i * pageSize), pageSize);
      if (errno !== 0) result = errno === ENOENT ? "ENOENT" : "EINVAL";
    }
    return result;
  }

  unmapStale({ iova, pageSize, pages }: DmaRun): Errno | 0 {
    for (let i = 0n; i < BigInt(pages); i++) {
      const at = BigInt.asUintN(64, iova + i * pageSize);
      if (this.#mapped.get(at) === pageSize) this.#sendUnmap(at, pageSize);
    }
    return 0;
  }

  #sendMap(iova: bigint, size: bigint, prot: number, offset: bigint): number {
    const errno = this.#server.map(iova, size, prot, offset);
    if (errno === 0) this.#mapped.set(iova, size);
    const message = {
      dev: this.name,
      msg: "DMA_MAP",
      iova: hex(iova),
      size: hex(size),
      prot,
      offset: hex(offset),
    } as const;
    this.#send({ message: errno === 0 ? message : { ...message, errno }, page: iova });
    return errno;
  }

  #sendUnmap(iova: bigint, size: bigint): number {
    const errno = this.#server.unmap(iova, size);
    if (errno === 0) this.#forget(iova, size);
    const message = { dev: this.name, msg: "DMA_UNMAP", iova: hex(iova), size: hex(size) } as const;
    this.#send({ message: errno === 0 ? message : { ...message, errno }, page: iova });
    return errno;
  }

  #forget(iova: bigint, size: bigint): void {
    if (this.#mapped.get(iova) === size) this.#mapped.delete(iova);
    else
      for (const at of [...this.#mapped.keys()]) if (at >= iova && at < iova + size) this.#mapped.delete(at);
  }
}
