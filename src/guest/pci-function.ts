import type { IommuTable } from "./iommu-table.ts";

/** A mask of 32 bits, which every device has until its driver says something else. */
export const MASK_32 = 0xffff_ffffn;

/**
 * A PCI function as Linux knows it, with what its driver said about its addresses.
 *
 * @public
 */
export class PciFunction {
  /** Number of its bridge, which is its PCI domain. */
  readonly domain: number;
  readonly slot: number;
  readonly functionNumber: number;
  /** Number of its bus: 0 for the bridge's own, others are behind PCI bridges and share its windows. */
  readonly bus: number;
  /** Bus, device and function as the calls for windows pass it: `bus << 16 | devfn << 8`. */
  readonly configAddress: number;
  /** `0000:00:01.0`. */
  readonly name: string;
  /** Name of its node in the device tree, such as `ethernet`. */
  readonly node: string;
  /** Who speaks in the kernel's log of it: its driver, or `pci` without one. */
  driver = "pci";
  streamingMask: bigint = MASK_32;
  coherentMask: bigint = MASK_32;
  /** What is added to a physical address for a direct one. */
  dmaOffset = 0n;
  /** Up to here direct addresses can be reached; 0 for no limit. */
  busLimit = 0n;
  /** Did the last mask that was set lead to a direct window? */
  isDirect = false;
  /** Does everything go directly? */
  bypass = false;
  /** Entries for what does not; undefined without a window. */
  table: IommuTable | undefined;

  constructor(domain: number, slot: number, functionNumber: number, node: string, bus = 0) {
    this.domain = domain;
    this.slot = slot;
    this.functionNumber = functionNumber;
    this.node = node;
    this.bus = bus;
    this.configAddress = (bus << 16) | (((slot << 3) | functionNumber) << 8);
    const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
    this.name = `${hex(domain, 4)}:${hex(bus, 2)}:${hex(slot, 2)}.${functionNumber}`;
  }
}
