import type { Permission } from "../../base/permission.ts";
import { hex } from "../../base/u64.ts";
import type { BarModel, BusWindow, DevicePlace, PciDeviceModel } from "../server/device-model.ts";

/**
 * What a host told a device, in order: a DMA message, or a reset.
 *
 * @public
 */
export type ProbeEvent =
  | {
      readonly msg: "DMA_MAP" | "DMA_UNMAP";
      readonly iova: string;
      readonly size: string;
      readonly prot: Permission;
    }
  | { readonly msg: "DEVICE_RESET" };

/** Registers of BAR0 are memory, so that a driver finds something. */
const BAR_BYTES = 4096;

/**
 * A device that does nothing but watch: it hears of each window that its host announces and takes away.
 *
 * @public
 */
export class ProbeDevice implements PciDeviceModel {
  readonly name: string = "probe";
  readonly vendor: number = 0x1b36;
  readonly device: number = 0x0ffe;
  readonly bars: readonly BarModel[];
  readonly #onEvent: (event: ProbeEvent) => void;
  readonly #onLeft: () => void;
  #place: DevicePlace | undefined;

  /** @param onLeft called when the host has gone */
  constructor(onEvent: (event: ProbeEvent) => void, onLeft: () => void = () => {}) {
    this.#onEvent = onEvent;
    this.#onLeft = onLeft;
    const memory = new Uint8Array(BAR_BYTES);
    this.bars = [
      {
        size: BAR_BYTES,
        read: (offset, into) => into.set(memory.subarray(offset, offset + into.length)),
        write: (offset, data) => memory.set(data, offset),
      },
    ];
  }

  /** Windows that the host lets it use now. */
  get windows(): readonly BusWindow[] {
    return this.#place?.windows ?? [];
  }

  attach(place: DevicePlace): void {
    this.#place = place;
  }

  mapped(window: BusWindow): void {
    this.#onEvent(eventOf("DMA_MAP", window));
  }

  unmapping(window: BusWindow): void {
    this.#onEvent(eventOf("DMA_UNMAP", window));
  }

  reset(): void {
    this.#onEvent({ msg: "DEVICE_RESET" });
  }

  detached(): void {
    this.#place = undefined;
    this.#onLeft();
  }
}

const eventOf = (msg: "DMA_MAP" | "DMA_UNMAP", { first, last, perm }: BusWindow): ProbeEvent => ({
  msg,
  iova: hex(first),
  size: hex(last - first + 1n),
  prot: perm,
});
