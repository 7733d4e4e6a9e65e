import type { Errno } from "../base/errno.ts";
import { IommuError } from "../base/errors.ts";
import { FirstError } from "../base/first-error.ts";
import { U64_MAX } from "../base/u64.ts";
import { AddressSpace } from "../memory/address-space.ts";
import { MemoryRegion } from "../memory/memory-region.ts";
import type { MmioHandler } from "../memory/mmio-handler.ts";
import { DmaWindow } from "./dma-window.ts";
import { EehOp, PartitionableEndpoint } from "./endpoint.ts";
import type { SpaprEnvironment } from "./environment.ts";
import { buidOf, DEFAULT_PAGE_SHIFT, MAX_PHB_INDEX, MSI_WINDOW, pciLiobn } from "./papr.ts";

/**
 * Properties of a PCI host bridge, with QEMU's meaning and defaults.
 *
 * @public
 */
export interface PhbConfig {
  /** 0 to 30; makes the BUID and the LIOBNs. */
  readonly index: number;
  /** Dynamic DMA windows; default true. Without them there is one window. */
  readonly ddw?: boolean;
  /** Page sizes that a new window may have: bit n is a page of 2^n bytes. Default: the profile's. */
  readonly pgsz?: bigint;
  /** Bus address of the default window; default 0. */
  readonly dmaWinAddr?: bigint;
  /** Bytes of the default window; default 1 GiB. */
  readonly dmaWinSize?: bigint;
  /** Bus address of the other window; default 2^59. */
  readonly dma64WinAddr?: bigint;
}

/**
 * The endpoint of a bridge's devices, as the guest's calls reach it.
 *
 * @public
 */
export interface EehAccess {
  /** One of `EehOp`: the state for GET_STATE, else 0; or the name of an error. */
  operate(op: number): number | Errno;
  /** Has a device with EEH this address, `bus << 16 | devfn << 8`? */
  serves(configAddress: number): boolean;
}

/** QEMU's defaults of the properties that do not depend on the machine's version. */
export const PHB_DEFAULTS = {
  ddw: true,
  dmaWinAddr: 0n,
  dmaWinSize: 0x4000_0000n,
  dma64WinAddr: 0x0800_0000_0000_0000n,
} as const;

/** MSI writes are counted by nobody here; the region is there for what hides it. */
const MSI_HANDLER: MmioHandler = { read: () => 0n, write: () => {} };

/**
 * A PCI host bridge: one DMA address space for all devices behind it, with one
 * or two DMA windows and the MSI window. Where they overlap, window 1 is in
 * front of window 0, and both are in front of MSI (QEMU-WINDOW-5).
 *
 * @public
 */
export class PciHostBridge {
  /** @internal */
  readonly env: SpaprEnvironment;
  readonly index: number;
  readonly buid: bigint;
  readonly ddw: boolean;
  readonly pgsz: bigint;
  readonly dmaWinAddr: bigint;
  readonly dmaWinSize: bigint;
  readonly dma64WinAddr: bigint;
  /** Windows by number: one, or two with dynamic windows. */
  readonly windows: readonly DmaWindow[];
  /** What devices with the bus-master bit set see. */
  readonly addressSpace: AddressSpace;
  /** The endpoint of the emulated devices; null where these have no EEH (quirk `refusedDmaFreezes`). */
  readonly endpoint: PartitionableEndpoint | null;
  /** @internal What the guest's calls are about as long as no device of the host is there. */
  readonly emulatedEeh: EehAccess | null;
  /** The endpoint that the guest's calls are about; null refuses them. */
  eeh: EehAccess | null;
  /** Addresses of the functions behind the bridge, `bus << 16 | devfn << 8`; several may say nothing of theirs. */
  readonly #functions: number[] = [];
  readonly #msi: MemoryRegion;

  /** @throws IommuError BAD_CONFIG for an index or a value out of range */
  constructor(env: SpaprEnvironment, config: PhbConfig) {
    const { index } = config;
    if (!Number.isInteger(index) || index < 0 || index > MAX_PHB_INDEX) {
      throw new IommuError(
        "BAD_CONFIG",
        `"index" ${index} for PAPR PHB is too large (max ${MAX_PHB_INDEX})`,
        { index },
      );
    }
    this.env = env;
    this.index = index;
    this.buid = buidOf(index);
    this.ddw = config.ddw ?? PHB_DEFAULTS.ddw;
    this.pgsz = checked("pgsz", config.pgsz ?? env.profile.defaultPageSizes);
    this.dmaWinAddr = checked("dma_win_addr", config.dmaWinAddr ?? PHB_DEFAULTS.dmaWinAddr);
    this.dmaWinSize = checked("dma_win_size", config.dmaWinSize ?? PHB_DEFAULTS.dmaWinSize);
    this.dma64WinAddr = checked("dma64_win_addr", config.dma64WinAddr ?? PHB_DEFAULTS.dma64WinAddr);

    this.endpoint = env.profile.refusedDmaFreezes ? new PartitionableEndpoint() : null;
    const { endpoint } = this;
    this.emulatedEeh =
      endpoint === null
        ? null
        : {
            operate: (op) => endpoint.operate(op),
            serves: (configAddress) => this.hasFunction(configAddress),
          };
    this.eeh = this.emulatedEeh;

    const root = MemoryRegion.container(env.memory, `${this.name}.iommu-root`);
    this.addressSpace = new AddressSpace(env.memory, this.name, root);
    this.#msi = MemoryRegion.mmio(env.memory, "msi", MSI_WINDOW.size, MSI_HANDLER);
    root.addSubregion(this.#msi, MSI_WINDOW.address);
    const numbers = this.ddw ? [0, 1] : [0];
    this.windows = numbers.map((number) => new DmaWindow(env, this.name, pciLiobn(index, number)));
    for (const window of this.windows) root.addSubregion(window.root, 0n);
  }

  /** Name of the device-tree node and of the address space. */
  get name(): string {
    return `pci@${this.buid.toString(16)}`;
  }

  /** @internal A function is plugged. */
  addFunction(configAddress: number): void {
    this.#functions.push(configAddress);
  }

  /** @internal */
  removeFunction(configAddress: number): void {
    const at = this.#functions.indexOf(configAddress);
    if (at >= 0) this.#functions.splice(at, 1);
  }

  /** @param configAddress its low 8 bits, which are those of a register, do not count */
  hasFunction(configAddress: number): boolean {
    return this.#functions.includes(configAddress & 0xff_ff00);
  }

  get enabledWindows(): number {
    return this.windows.filter((window) => window.enabled).length;
  }

  /**
   * The window that a create would use: the first one that is disabled, in
   * ascending order but for the bridges of the quirk `secondWindowFirst`.
   */
  findFreeWindow(): DmaWindow | undefined {
    const order = this.env.profile.secondWindowFirst.includes(this.index)
      ? [...this.windows].reverse()
      : this.windows;
    return order.find((window) => !window.enabled);
  }

  /**
   * Removes all windows and restores the default one, empty (QEMU's
   * `spapr_phb_dma_reset`; QEMU-RESET-1). The replay of the new window is not skipped here:
   * the flag belongs to ibm,create-pe-dma-window alone.
   *
   * @throws what a callback throws first, when it is done; so {@link reset} and {@link destroy}
   */
  resetDma(): void {
    const errors = new FirstError();
    for (const window of this.windows) errors.attempt(() => window.disable());
    const entries = Number(BigInt.asUintN(32, this.dmaWinSize >> BigInt(DEFAULT_PAGE_SHIFT)));
    const [first] = this.windows;
    errors.attempt(() => first!.enable(DEFAULT_PAGE_SHIFT, this.dmaWinAddr, entries));
    first!.defaultWindow = true;
    errors.rethrow();
  }

  /** The reset of the bridge: windows, then its child devices, which are the tables. */
  reset(): void {
    const errors = new FirstError();
    errors.attempt(() => this.resetDma());
    for (const window of this.windows) window.reset();
    this.endpoint?.restart();
    // Of devices of the host QEMU enables EEH itself, which thaws what is frozen (QEMU-EEH-2).
    if (this.eeh !== this.emulatedEeh) errors.attempt(() => this.eeh?.operate(EehOp.ENABLE));
    errors.rethrow();
  }

  /** Takes the bridge out of the machine; listeners see window 1 go, then window 0. */
  destroy(): void {
    const { root } = this.addressSpace;
    const errors = new FirstError();
    for (const window of [...this.windows].reverse()) {
      errors.attempt(() => root.removeSubregion(window.root));
      errors.attempt(() => window.destroy());
    }
    errors.attempt(() => root.removeSubregion(this.#msi));
    errors.attempt(() => this.addressSpace.destroy());
    errors.rethrow();
  }
}

function checked(name: string, value: bigint): bigint {
  if (typeof value !== "bigint" || value < 0n || value > U64_MAX) {
    throw new IommuError("BAD_CONFIG", `${name} ${value} does not fit into 64 bits`, { [name]: value });
  }
  return value;
}
