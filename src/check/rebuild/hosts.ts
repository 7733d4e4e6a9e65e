import type { DmaWindow } from "../../spapr/dma-window.ts";
import type { Machine } from "../../spapr/machine.ts";
import { isPciLiobn, MAX_PHB_INDEX, phbOfLiobn, VIO_FIRST_REG } from "../../spapr/papr.ts";
import type { PciHostBridge, PhbConfig } from "../../spapr/phb.ts";

/** Every page size: a trace shows which ones its machine allowed. */
const ANY_PAGE_SIZE = 0xffff_ffff_ffff_ffffn;
const MAX_VIO = 64;

/** The bridges and VIO devices of a traced machine, plugged when they first occur in the trace. */
export class WindowHosts {
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** A bridge that is there already. */
  known(index: number): PciHostBridge | undefined {
    return this.#machine.phbs.find((phb) => phb.index === index);
  }

  /** Makes a bridge known before its first event: a trace does not say what its default window is like. */
  plug(config: PhbConfig): void {
    this.#machine.plugPhb(config).windows[0]!.disable();
  }

  /** @param index 0 to {@link MAX_PHB_INDEX}; the caller has checked that */
  phb(index: number): PciHostBridge {
    return this.known(index) ?? this.#machine.plugPhb({ index, pgsz: ANY_PAGE_SIZE });
  }

  /** The window of a LIOBN with a new geometry; undefined if it is removed by that, or no window can be so. */
  placed(liobn: number, pageShift: number, busOffset: bigint, entries: number): DmaWindow | undefined {
    if (!isPciLiobn(liobn)) return this.vioWindow(liobn);
    const index = phbOfLiobn(liobn);
    if (index > MAX_PHB_INDEX || pageShift > 63 || (entries > 0 && pageShift < 12)) return undefined;
    const isNew = this.known(index) === undefined;
    const phb = this.phb(index);
    // A bridge that the trace begins with is not known to have its default window.
    if (isNew) phb.windows[0]!.disable();
    const window = phb.windows[liobn & 0xff];
    window?.disable();
    if (window === undefined || entries === 0) return undefined;
    window.enable(pageShift, busOffset, entries);
    return window;
  }

  /** The window of a VIO device; undefined for a number that none can have. */
  vioWindow(liobn: number): DmaWindow | undefined {
    const { vio } = this.#machine;
    const known = vio.find(liobn);
    if (known !== undefined) return known.window ?? undefined;
    // The first unit is the NVRAM, without DMA; more devices than a machine can have are damage.
    if (liobn === 0 || liobn === VIO_FIRST_REG || vio.devices.length >= MAX_VIO) return undefined;
    return vio.add({ type: "spapr-vlan", reg: liobn }).window ?? undefined;
  }
}
