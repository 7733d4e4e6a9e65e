import { IommuError } from "../base/errors.ts";
import type { GuestRam } from "./guest-ram.ts";
import type { IommuRegion } from "./iommu-region.ts";
import type { MemorySystem } from "./memory-system.ts";

/** Size of a region that spans the whole 64-bit space. */
export const WHOLE_SPACE: bigint = 1n << 64n;

/**
 * A device's registers: accesses of 1, 2, 4 or 8 bytes at a natural boundary.
 *
 * @public
 */
export interface MmioHandler {
  /** Largest access, default 4 as in QEMU. */
  readonly maxAccessBytes?: number;
  read(offset: bigint, bytes: number): bigint;
  write(offset: bigint, bytes: number, value: bigint): void;
}

/**
 * What stands behind a region. A `container` holds others and never answers itself.
 *
 * @public
 */
export type RegionBacking =
  | { readonly kind: "container" }
  | { readonly kind: "ram"; readonly ram: GuestRam; readonly device: boolean }
  | { readonly kind: "mmio"; readonly handler: MmioHandler }
  | { readonly kind: "alias"; readonly target: MemoryRegion; readonly offset: bigint }
  | { readonly kind: "iommu" };

/**
 * A piece of an address space, in a tree of such pieces (QEMU's MemoryRegion).
 *
 * Sizes are 0 to 2^64 bytes. Where siblings overlap, the higher priority wins,
 * and of equal ones the one added last (QEMU-MEMORY-1). What makes listeners run
 * is QEMU-MEMORY-4.
 *
 * @public
 */
export class MemoryRegion {
  readonly system: MemorySystem;
  readonly name: string;
  readonly backing: RegionBacking;
  /** The region as an IOMMU region, which is what the hot path asks for. */
  readonly iommu: IommuRegion | null = null;
  /** The memory behind a RAM region, likewise. */
  readonly ram: GuestRam | null;
  readonly readonly: boolean;
  #size: bigint;
  #enabled = true;
  #container: MemoryRegion | null = null;
  #address = 0n;
  #priority = 0;
  #subregions: MemoryRegion[] = [];

  constructor(system: MemorySystem, name: string, size: bigint, backing: RegionBacking, readonly = false) {
    if (size < 0n || size > WHOLE_SPACE) {
      throw new IommuError("OUT_OF_RANGE", `region ${name}: size ${size} is not 0 to 2^64`, { size });
    }
    this.system = system;
    this.name = name;
    this.backing = backing;
    this.ram = backing.kind === "ram" ? backing.ram : null;
    this.readonly = readonly;
    this.#size = size;
  }

  static container(system: MemorySystem, name: string, size: bigint = WHOLE_SPACE): MemoryRegion {
    return new MemoryRegion(system, name, size, { kind: "container" });
  }

  /** @param device memory of a device (such as GPU RAM), which VFIO does not register */
  static ram(system: MemorySystem, name: string, ram: GuestRam, device = false): MemoryRegion {
    return new MemoryRegion(system, name, ram.sizeBytes, { kind: "ram", ram, device });
  }

  static mmio(system: MemorySystem, name: string, size: bigint, handler: MmioHandler): MemoryRegion {
    return new MemoryRegion(system, name, size, { kind: "mmio", handler });
  }

  /** A window onto `target`, beginning at `offset` in it. */
  static alias(
    system: MemorySystem,
    name: string,
    target: MemoryRegion,
    offset: bigint,
    size: bigint,
  ): MemoryRegion {
    return new MemoryRegion(system, name, size, { kind: "alias", target, offset });
  }

  get size(): bigint {
    return this.#size;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  get container(): MemoryRegion | null {
    return this.#container;
  }

  /** Offset in the container. */
  get address(): bigint {
    return this.#address;
  }

  get priority(): number {
    return this.#priority;
  }

  /** Subregions in order of precedence. */
  get subregions(): readonly MemoryRegion[] {
    return this.#subregions;
  }

  /**
   * Puts a region into this one; a memory transaction.
   *
   * @throws IommuError REGION_MISUSE if it is in a container already
   */
  addSubregion(region: MemoryRegion, address: bigint, priority = 0): void {
    if (region.#container !== null) {
      throw new IommuError("REGION_MISUSE", `region ${region.name} is in ${region.#container.name} already`, {
        region: region.name,
      });
    }
    this.system.transaction(() => {
      region.#container = this;
      region.#address = address;
      region.#priority = priority;
      const at = this.#subregions.findIndex((other) => other.#priority <= priority);
      this.#subregions.splice(at < 0 ? this.#subregions.length : at, 0, region);
      if (this.#enabled && region.#enabled) this.system.setPending();
    });
  }

  /**
   * Takes a region out of this one; a memory transaction.
   *
   * @throws IommuError REGION_MISUSE if it is not in this region
   */
  removeSubregion(region: MemoryRegion): void {
    const at = this.#subregions.indexOf(region);
    if (at < 0) {
      throw new IommuError("REGION_MISUSE", `region ${region.name} is not in ${this.name}`, {
        region: region.name,
      });
    }
    this.system.transaction(() => {
      this.#subregions.splice(at, 1);
      region.#container = null;
      if (this.#enabled && region.#enabled) this.system.setPending();
    });
  }

  /** Changes the size; a memory transaction unless it is the same. */
  setSize(size: bigint): void {
    if (size < 0n || size > WHOLE_SPACE) {
      throw new IommuError("OUT_OF_RANGE", `region ${this.name}: size ${size} is not 0 to 2^64`, { size });
    }
    if (size === this.#size) return;
    this.system.transaction(() => {
      this.#size = size;
      this.system.setPending();
    });
  }

  /** Shows or hides the region; a memory transaction unless nothing changes. */
  setEnabled(enabled: boolean): void {
    if (enabled === this.#enabled) return;
    this.system.transaction(() => {
      this.#enabled = enabled;
      this.system.setPending();
    });
  }
}
