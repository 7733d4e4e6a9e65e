import type { ToldWindow } from "../../formats/machine/told-window.ts";
import type { DmaWindow } from "../../spapr/dma-window.ts";
import type { Machine } from "../../spapr/machine.ts";
import {
  DEFAULT_PAGE_SHIFT,
  isPciLiobn,
  MAX_PHB_INDEX,
  phbOfLiobn,
  VIO_FIRST_REG,
} from "../../spapr/papr.ts";
import { type PciHostBridge, PHB_DEFAULTS, type PhbConfig } from "../../spapr/phb.ts";
import { type Geometry, WindowEvidence } from "./window-evidence.ts";

/** Every page size: a trace shows which ones its machine allowed. */
const ANY_PAGE_SIZE = 0xffff_ffff_ffff_ffffn;
const MAX_VIO = 64;
/** The window of every VIO device (QEMU-VIO-1). */
const VIO_WINDOW: Geometry = { busOffset: 0n, pageShift: DEFAULT_PAGE_SHIFT, entries: 65_536 };

/** Where a window beside the default one lies, if nothing else is known. */
export const HIGH: bigint = 1n << 59n;

/** The bridges and VIO devices of a traced machine, plugged when they first occur in the trace. */
export class WindowHosts {
  readonly #machine: Machine;
  readonly #told: readonly ToldWindow[];
  /** Windows that somebody told of and that are not in the machine, since nobody knows the size of their pages. */
  readonly unplaced: Set<number> = new Set();
  /** What is known of the default windows of bridges and of VIO windows, which come again as they were. */
  readonly #evidence = new Map<number, WindowEvidence>();

  /** @param told what somebody knows of the windows */
  constructor(machine: Machine, told: readonly ToldWindow[]) {
    this.#machine = machine;
    this.#told = told;
  }

  /** A bridge that is there already. */
  known(index: number): PciHostBridge | undefined {
    return this.#machine.phbs.find((phb) => phb.index === index);
  }

  /** Makes a bridge known before its first event: a trace does not say what its default window is like. */
  plug(config: PhbConfig): void {
    const phb = this.#machine.plugPhb(config);
    const [first] = phb.windows;
    first!.disable();
    this.#evidence.set(first!.liobn, new WindowEvidence(defaultOf(phb), "told"));
  }

  /** What somebody knows of windows. */
  get allTold(): readonly ToldWindow[] {
    return this.#told;
  }

  /** What somebody knows of a window; undefined if nobody does. */
  told(liobn: number): ToldWindow | undefined {
    return this.#told.find((one) => one.liobn === liobn);
  }

  /** Is a window that somebody told of what its bridge has after a reset? */
  isToldDefault({ liobn, busOffset, bytes }: ToldWindow): boolean {
    if (!isPciLiobn(liobn) || (liobn & 0xff) !== 0 || busOffset >= HIGH) return false;
    const usual = this.evidenceOf(liobn).geometry;
    return usual.busOffset === busOffset && BigInt(usual.entries) << BigInt(usual.pageShift) === bytes;
  }

  /** What is known of the window that a reset gives a bridge, or that a VIO device has. */
  evidenceOf(liobn: number): WindowEvidence {
    let evidence = this.#evidence.get(liobn);
    if (evidence === undefined) {
      const told = this.told(liobn);
      const phb = this.known(phbOfLiobn(liobn));
      const usual = isPciLiobn(liobn) ? defaultOf(phb ?? PHB_DEFAULTS) : VIO_WINDOW;
      evidence =
        told === undefined
          ? new WindowEvidence(usual, "assumed")
          : new WindowEvidence(
              geometryOf(told, usual.pageShift),
              "told",
              told.pageShift === undefined ? "assumed" : "told",
            );
      this.#evidence.set(liobn, evidence);
    }
    return evidence;
  }

  /** Is this what is known of the window that always comes again? */
  isLasting(evidence: WindowEvidence, liobn: number): boolean {
    return this.#evidence.get(liobn) === evidence;
  }

  /** Gives the default window of a bridge its place. */
  placeDefault(phb: PciHostBridge): WindowEvidence {
    const [window] = phb.windows;
    const evidence = this.evidenceOf(window!.liobn);
    place(window!, evidence.geometry);
    return evidence;
  }

  /** @param index 0 to {@link MAX_PHB_INDEX}; the caller has checked that */
  phb(index: number): PciHostBridge {
    return this.known(index) ?? this.#machine.plugPhb({ index, pgsz: ANY_PAGE_SIZE });
  }

  /** The window of a LIOBN with a new geometry; undefined if it is removed by that, or no window can be so. */
  placed(liobn: number, pageShift: number, busOffset: bigint, entries: number): DmaWindow | undefined {
    if (!isPciLiobn(liobn)) {
      const vio = entries === 0 ? undefined : this.vioWindow(liobn);
      if (vio !== undefined) place(vio, { pageShift, busOffset, entries });
      return vio;
    }
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

  /** Says whether a VIO device sees memory past its window. */
  setBypass(liobn: number, bypass: boolean): void {
    this.#machine.vio.find(liobn)?.setBypass(bypass);
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

/** The window that a reset gives a bridge. */
const defaultOf = ({
  dmaWinAddr,
  dmaWinSize,
}: Pick<PciHostBridge, "dmaWinAddr" | "dmaWinSize">): Geometry => ({
  busOffset: dmaWinAddr,
  pageShift: DEFAULT_PAGE_SHIFT,
  entries: Number(BigInt.asUintN(32, dmaWinSize >> BigInt(DEFAULT_PAGE_SHIFT))),
});

/**
 * The geometry that somebody tells of.
 *
 * @param pageShift where it is not known
 */
export function geometryOf({ busOffset, bytes, pageShift: told }: ToldWindow, pageShift: number): Geometry {
  const shift = told ?? pageShift;
  return { busOffset, pageShift: shift, entries: Number(bytes >> BigInt(shift)) };
}

/** Gives a window a geometry, empty; not if it has that. */
function place(window: DmaWindow, { busOffset, pageShift, entries }: Geometry): void {
  const { busOffset: start, pageShift: shift, entries: length } = window;
  if (start === busOffset && shift === pageShift && length === entries) return;
  window.disable();
  window.enable(pageShift, busOffset, entries);
}
