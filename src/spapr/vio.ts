import { IommuError } from "../base/errors.ts";
import { hex } from "../base/u64.ts";
import { AddressSpace } from "../memory/address-space.ts";
import { MemoryRegion } from "../memory/memory-region.ts";
import { DmaWindow } from "./dma-window.ts";
import type { SpaprEnvironment } from "./environment.ts";
import { DEFAULT_PAGE_SHIFT, RtasStatus, RtasToken, VIO_FIRST_REG, VIO_WINDOW_BYTES } from "./papr.ts";
import type { RtasDispatcher } from "./rtas.ts";

/** Device-tree names of QEMU's VIO devices, and whether they do DMA (have a window). */
const VIO_TYPES: Readonly<Record<string, { readonly node: string; readonly dma: boolean }>> = {
  "spapr-vlan": { node: "l-lan", dma: true },
  "spapr-vscsi": { node: "v-scsi", dma: true },
  "tpm-spapr": { node: "vtpm", dma: true },
  "spapr-vty": { node: "vty", dma: false },
  "spapr-nvram": { node: "nvram", dma: false },
};

/** QEMU's names of its virtual I/O devices. */
export const VIO_TYPE_NAMES: readonly string[] = Object.keys(VIO_TYPES);

/** Is it a virtual I/O device of QEMU's? */
export const isVioDevice = (type: string): boolean => Object.hasOwn(VIO_TYPES, type);

/** Does it DMA, and so has it a window? */
export const doesVioDma = (type: string): boolean => VIO_TYPES[type]!.dma;

/**
 * A virtual I/O device of the machine.
 *
 * @public
 */
export interface VioConfig {
  /** QEMU's name of the device: `spapr-vlan`, `spapr-vscsi`, ... */
  readonly type: string;
  /** Unit address, which is the LIOBN, too; by default the next free one from 0x71000001. */
  readonly reg?: number;
}

/**
 * A virtual I/O device: an address space with a window of 256 MiB at 0, 4 KiB
 * pages, and after it all memory, for when the guest turns translation off (QEMU-VIO-1, QEMU-VIO-4).
 *
 * @public
 */
export class VioDevice {
  readonly reg: number;
  /** Name of the device-tree node. */
  readonly name: string;
  /** Null for a device without DMA. */
  readonly window: DmaWindow | null = null;
  readonly addressSpace: AddressSpace | null = null;
  readonly #bypassAlias: MemoryRegion | null = null;

  constructor(env: SpaprEnvironment, node: string, dma: boolean, reg: number, ramSize: bigint) {
    this.reg = reg;
    this.name = `${node}@${reg.toString(16)}`;
    if (!dma) return;
    const root = MemoryRegion.container(env.memory, "iommu-spapr-root", ramSize);
    this.addressSpace = new AddressSpace(env.memory, this.name, root);
    this.#bypassAlias = MemoryRegion.alias(
      env.memory,
      "iommu-spapr-bypass",
      env.systemMemory.root,
      0n,
      ramSize,
    );
    root.addSubregion(this.#bypassAlias, 0n, 1);
    this.window = new DmaWindow(env, this.name, reg);
    this.window.enable(DEFAULT_PAGE_SHIFT, 0n, VIO_WINDOW_BYTES >>> DEFAULT_PAGE_SHIFT);
    root.addSubregion(this.window.root, 0n, 2);
  }

  /** Lets the device see memory untranslated, or through its window again: two transactions, as in QEMU. */
  setBypass(bypass: boolean): void {
    const { window } = this;
    if (window === null) return;
    window.bypass = bypass;
    // A listener may have set it anew between the two.
    try {
      this.#bypassAlias?.setEnabled(bypass);
    } finally {
      window.root.setEnabled(!window.bypass);
    }
  }

  /** @throws what a listener throws, when the device is reset */
  reset(): void {
    this.window?.reset();
    this.setBypass(false);
  }
}

/**
 * The VIO devices of a machine, in order of creation.
 *
 * @public
 */
export class VioBus {
  readonly devices: VioDevice[] = [];
  readonly #env: SpaprEnvironment;
  readonly #ramSize: bigint;

  constructor(env: SpaprEnvironment, ramSize: bigint) {
    this.#env = env;
    this.#ramSize = ramSize;
  }

  /** @throws IommuError BAD_CONFIG for an unknown type, or a unit address that is taken or out of range */
  add(config: VioConfig): VioDevice {
    const kind = Object.hasOwn(VIO_TYPES, config.type) ? VIO_TYPES[config.type] : undefined;
    if (kind === undefined) {
      throw new IommuError(
        "BAD_CONFIG",
        `VIO device "${config.type}": must be one of ${Object.keys(VIO_TYPES).join(", ")}`,
        {
          type: config.type,
        },
      );
    }
    const reg = config.reg ?? this.#nextReg();
    if (!Number.isInteger(reg) || reg < 0 || reg >= 2 ** 31) {
      throw new IommuError("BAD_CONFIG", `VIO unit address ${reg} is not 0 to 0x7fffffff`, { reg });
    }
    if (reg === VIO_FIRST_REG || this.find(reg) !== undefined) {
      throw new IommuError("BAD_CONFIG", `VIO unit address ${hex(reg)} is in use`, { reg });
    }
    const device = new VioDevice(this.#env, kind.node, kind.dma, reg, this.#ramSize);
    this.devices.push(device);
    return device;
  }

  find(reg: number): VioDevice | undefined {
    return this.devices.find((device) => device.reg === reg);
  }

  #nextReg(): number {
    let reg = VIO_FIRST_REG + 1;
    while (this.find(reg) !== undefined) reg++;
    return reg;
  }
}

/** Registers `ibm,set-tce-bypass` (QEMU-VIO-2) and `quiesce` (QEMU-VIO-3). */
export function registerVioCalls(rtas: RtasDispatcher, bus: VioBus): void {
  rtas.register(RtasToken.SET_TCE_BYPASS, (call) => {
    const name = "ibm,set-tce-bypass";
    if (call.nargs !== 2) return call.refuseCounts(name);
    const unit = call.arg(0);
    const device = bus.find(unit);
    if (device === undefined || device.window === null) {
      const rule = "no virtual I/O device with a DMA window has this unit address";
      return call.refuse(name, RtasStatus.PARAM_ERROR, rule, "QEMU-VIO-2", () => ({ unit: hex(unit) }));
    }
    const bypass = call.arg(1) !== 0;
    call.errors.attempt(() => device.setBypass(bypass));
    return RtasStatus.SUCCESS;
  });
  rtas.register(RtasToken.QUIESCE, (call) => {
    if (call.nargs !== 0) return call.refuseCounts("quiesce");
    for (const device of [...bus.devices].reverse()) device.window?.reset();
    return RtasStatus.SUCCESS;
  });
}
