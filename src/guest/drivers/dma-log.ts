import type { DmaFault } from "../../memory/dma-fault.ts";
import type { DmaSegment } from "../device-dma.ts";
import type { Buffer, DmaDirection } from "../table-dma.ts";

const DIRECTIONS = {
  "to-device": "TO_DEVICE",
  "from-device": "FROM_DEVICE",
  bidirectional: "BIDIRECTIONAL",
} as const;

/** Microseconds between two events: there is no clock. */
const STEP = 10;

const hex = (value: number | bigint): string => value.toString(16);

/**
 * What the drivers of a guest do with the DMA API, and what their devices are refused, as the lines of Linux's own trace:
 * `check` reads them (docs/check.md).
 *
 * @public
 */
export class DmaLog {
  readonly #lines: string[] = [];
  #microseconds = 0;

  /** All lines so far, each with its end. */
  get text(): string {
    return this.#lines.join("");
  }

  map(device: string, direction: DmaDirection, address: bigint, { physical, size }: Buffer): void {
    this.#add(
      `dma_map_page: ${device} dir=${DIRECTIONS[direction]} dma_addr=${hex(address)} size=${size} phys_addr=${hex(physical)} attrs=`,
    );
  }

  unmap(device: string, direction: DmaDirection, address: bigint, size: number): void {
    this.#add(
      `dma_unmap_page: ${device} dir=${DIRECTIONS[direction]} dma_addr=${hex(address)} size=${size} attrs=`,
    );
  }

  mapList(
    device: string,
    direction: DmaDirection,
    segments: readonly DmaSegment[],
    buffers: readonly Buffer[],
  ): void {
    const list = (values: readonly (number | bigint)[]): string =>
      values.map((value) => `0x${hex(value)}`).join(",");
    this.#add(
      `dma_map_sg: ${device} dir=${DIRECTIONS[direction]} nents=${segments.length}/${segments.length} ents=${buffers.length}/${buffers.length} dma_addrs={${list(segments.map(({ address }) => address))}} sizes={${list(segments.map(({ size }) => size))}} phys_addrs={${list(buffers.map(({ physical }) => physical))}} attrs=`,
    );
  }

  unmapList(device: string, direction: DmaDirection, buffers: readonly Buffer[]): void {
    const list = buffers.map(({ physical }) => `0x${hex(physical)}`).join(",");
    this.#add(`dma_unmap_sg: ${device} dir=${DIRECTIONS[direction]} phys_addrs={${list}} attrs=`);
  }

  allocate(device: string, address: bigint, { physical, size }: Buffer): void {
    this.#add(
      `dma_alloc: ${device} dir=BIDIRECTIONAL dma_addr=${hex(address)} size=${size} virt_addr=${hex(physical).padStart(16, "0")} flags=GFP_KERNEL attrs=`,
    );
  }

  free(device: string, address: bigint, { physical, size }: Buffer): void {
    this.#add(
      `dma_free: ${device} dir=BIDIRECTIONAL dma_addr=${hex(address)} size=${size} virt_addr=${hex(physical).padStart(16, "0")} attrs=`,
    );
  }

  sync(device: string, to: "cpu" | "device", direction: DmaDirection, address: bigint, size: number): void {
    this.#add(
      `dma_sync_single_for_${to}: ${device} dir=${DIRECTIONS[direction]} dma_addr=${hex(address)} size=${size}`,
    );
  }

  /** An access that the IOMMU refused, as the IOMMU layer's own event has it. */
  refused(device: string, { iova, write }: Pick<DmaFault, "iova" | "write">): void {
    this.#add(
      `io_page_fault: IOMMU:spapr_tce ${device} iova=0x${hex(iova).padStart(16, "0")} flags=0x${write ? "0001" : "0000"}`,
    );
  }

  #add(event: string): void {
    const seconds = Math.floor(this.#microseconds / 1e6);
    const micro = String(this.#microseconds % 1e6).padStart(6, "0");
    this.#microseconds += STEP;
    this.#lines.push(` driver-1 [000] ..... ${seconds + 1}.${micro}: ${event}\n`);
  }
}
