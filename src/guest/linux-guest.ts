import { U64_MAX } from "../base/u64.ts";
import type { DeviceTreeValue } from "../spapr/device-tree.ts";
import type { Machine } from "../spapr/machine.ts";
import { DEFAULT_PAGE_SHIFT, VIO_WINDOW_BYTES } from "../spapr/papr.ts";
import { type DdwContext, enableDdw, queryWindows, removeOwn } from "./ddw.ts";
import { clearPages, type MemoryRange, mapMemory } from "./direct-map.ts";
import { GuestCalls } from "./guest-calls.ts";
import { GuestWindow, type OwnWindow } from "./guest-window.ts";
import { IommuTable } from "./iommu-table.ts";
import { findKernel, type LinuxKernel } from "./linux-kernel.ts";
import { ceilLog2, endOfRam, type MemoryLayout } from "./memory-layout.ts";
import { MASK_32, type PciFunction } from "./pci-function.ts";
import { PeNode } from "./pe-node.ts";

/** Bytes of a block of memory that is added or removed. */
export const MEMORY_BLOCK: number = 2 ** 28;
/** A table with fewer free entries than this is full for a kernel that is to write a dump. */
const DUMP_ENTRIES = 2048;
/** An entry that firmware left without a target. */
const NO_TARGET = 0x7fff_ffff_ffff_ffffn;

/**
 * How a kernel comes to run: from the firmware; by kexec, with what the one before it left in the tree; by kexec after a
 * crash, to write a dump.
 *
 * @public
 */
export type BootKind = "firmware" | "kexec" | "kdump";

/**
 * What a Linux guest is made of.
 *
 * @public
 */
export interface LinuxGuestConfig {
  /** A kernel or its name, or a version such as `6.1.0-47-powerpc64le`. */
  readonly kernel: LinuxKernel | string;
  readonly memory: MemoryLayout;
  /** Those that are there at the boot, in the order of the device tree, by bridge. */
  readonly functions: readonly PciFunction[];
  /** `disable_ddw` of the kernel's command line. */
  readonly disableDdw?: boolean;
  /** `multitce=off`: each entry is put by itself. */
  readonly singleEntries?: boolean;
  readonly boot?: BootKind;
  /** Bytes of a page of the guest's processors; default 64 KiB. */
  readonly cpuPageSize?: number;
  /** By name of the bridge's node: what another kernel left. */
  readonly inherited?: ReadonlyMap<string, OwnWindow>;
  /** A line of the kernel's log, with who says it but without its time. */
  readonly log?: (line: string) => void;
}

/**
 * Linux as a guest: the DMA windows that it finds, sets up, makes, fills and removes. Every call goes to the machine.
 *
 * @public
 */
export class LinuxGuest {
  readonly kernel: LinuxKernel;
  /** @internal Counts up whenever another way to memory may be right for a device. */
  revision = 0;
  /** @internal */
  readonly calls: GuestCalls;
  /** Bytes of a page of the guest's processors. */
  readonly cpuPageSize: number;
  readonly #config: LinuxGuestConfig;
  /** By domain. */
  readonly #nodes = new Map<number, PeNode>();
  readonly #functions: PciFunction[] = [];
  #memory: MemoryLayout;

  constructor(machine: Machine, config: LinuxGuestConfig) {
    this.kernel = typeof config.kernel === "string" ? findKernel(config.kernel) : config.kernel;
    this.#config = config;
    this.calls = new GuestCalls(machine);
    this.cpuPageSize = config.cpuPageSize ?? 65_536;
    this.#memory = config.memory;
  }

  /** Finds the windows in the device tree and sets up their tables, of bridges first and of VIO devices then. */
  boot(): void {
    const { machine } = this.calls;
    const tree = machine.deviceTree;
    for (const [path, properties] of tree)
      if (path.startsWith("/pci@")) this.addBridge(path.slice(1), properties);
    for (const fn of this.#config.functions) this.addFunction(fn);
    for (const [path, properties] of tree) {
      const window = properties["ibm,my-dma-window"] as readonly number[] | undefined;
      if (!path.startsWith("/vdevice/") || window === undefined) continue;
      this.#makeTable(new GuestWindow(window[0]!, 0n, DEFAULT_PAGE_SHIFT), VIO_WINDOW_BYTES);
    }
  }

  /** A bridge that came: its windows are found and the table of the one in use is set up. */
  addBridge(name: string, properties: Readonly<Record<string, DeviceTreeValue>>): void {
    const node = new PeNode(name, properties, this.#config.inherited?.get(name));
    // A bridge's domain is its index, which is the end of its unit identifier.
    this.#nodes.set(node.buidLo & 0xffff, node);
    const { own, defaultWindow } = node;
    if (own !== undefined && !this.#ignoresOwn) {
      node.tables[0] = this.#makeTable(own, own.size);
      node.ownIsDirect = false;
    } else if (defaultWindow !== undefined && defaultWindow.size > 0) {
      node.tables[0] = this.#makeTable(defaultWindow, 2 ** ceilLog2(defaultWindow.size));
    }
  }

  /** A bridge that goes: its window is removed (LINUX-REMOVE-1). */
  removeBridge(domain: number): void {
    this.revision++;
    const node = this.#nodes.get(domain);
    if (node?.own !== undefined) removeOwn({ calls: this.calls }, node, node.own);
    this.#nodes.delete(domain);
  }

  get functions(): readonly PciFunction[] {
    return this.#functions;
  }

  /** @internal The node of a function's bridge. */
  nodeOf(fn: PciFunction): PeNode | undefined {
    return this.#nodes.get(fn.domain);
  }

  /** A function that is set up: the first one behind a bridge may ask for its windows (LINUX-SETUP-2). */
  addFunction(fn: PciFunction): void {
    this.revision++;
    const node = this.nodeOf(fn);
    this.#functions.push(fn);
    if (node === undefined) return;
    fn.table = node.tables[0];
    const isFirst = !node.hasFunctions;
    node.hasFunctions = true;
    if (isFirst && node.tokens !== undefined && this.kernel.queriesAtSetup)
      queryWindows(this.#context, node, fn);
  }

  /**
   * `dma_set_mask`: a driver says what its device can address.
   *
   * @param bits 1 to 64
   * @returns false if there is no way for such a device; the mask stays as it was then
   */
  setMask(fn: PciFunction, bits: number): boolean {
    const mask = maskOf(bits);
    this.revision++;
    if (!this.#supports(fn, mask)) return false;
    fn.streamingMask = mask;
    return true;
  }

  /** `dma_set_coherent_mask`, likewise. */
  setCoherentMask(fn: PciFunction, bits: number): boolean {
    const mask = maskOf(bits);
    this.revision++;
    if (!this.#supports(fn, mask)) return false;
    fn.coherentMask = mask;
    return true;
  }

  /**
   * Memory that was plugged goes online, block by block: each is mapped first (LINUX-HOTPLUG-1).
   *
   * @returns the first status that is not 0: the block stays offline
   */
  addMemory(range: MemoryRange): number {
    this.revision++;
    for (const block of blocksOf(range)) {
      let refused = 0;
      for (const own of this.#windowsFor(block)) {
        refused ||= mapMemory(this.calls, own, block, this.takesLists).status;
      }
      if (refused !== 0) return refused;
      this.#memory = { ...this.#memory, ram: [...this.#memory.ram, block] };
    }
    return 0;
  }

  /** Memory goes offline, block by block, and is cleared afterwards. */
  removeMemory(range: MemoryRange): void {
    this.revision++;
    for (const block of blocksOf(range)) {
      const ram = this.#memory.ram.filter(({ start }) => start !== block.start);
      this.#memory = { ...this.#memory, ram };
      for (const own of this.#windowsFor(block))
        clearPages(
          this.calls,
          own,
          Math.floor(block.start / own.pageSize),
          Math.floor(block.size / own.pageSize),
        );
    }
  }

  /** The windows that this kernel made, or found, by name of the bridge's node: what a kernel after it inherits. */
  get ownWindows(): ReadonlyMap<string, OwnWindow> {
    return new Map(
      [...this.#nodes.values()].flatMap(({ name, own }) => (own === undefined ? [] : [[name, own] as const])),
    );
  }

  /** Does the guest pass lists of entries? */
  get takesLists(): boolean {
    return this.#config.singleEntries !== true;
  }

  /** The end of memory that is online. */
  get endOfRam(): number {
    return endOfRam(this.#memory);
  }

  /** A line in the kernel's log of a function. */
  say(fn: PciFunction, text: string): void {
    this.#config.log?.(`${fn.driver} ${fn.name}: ${text}`);
  }

  /** Is the table built over the default window though Linux made another one? */
  get #ignoresOwn(): boolean {
    return this.kernel.kexecKeepsDefaultWindow;
  }

  #windowsFor({ start }: MemoryRange): OwnWindow[] {
    const { hotplugIntoEveryWindow } = this.kernel;
    return [...this.#nodes.values()].flatMap(({ own, ownIsDirect }) =>
      own === undefined || !(hotplugIntoEveryWindow || (ownIsDirect && start < this.#memory.highest))
        ? []
        : [own],
    );
  }

  /** Is there a way for a device with such a mask? (LINUX-MASK-1) */
  #supports(fn: PciFunction, mask: bigint): boolean {
    const node = this.nodeOf(fn);
    const wide = this.kernel.limitedAddressing ? mask > MASK_32 : mask === U64_MAX;
    fn.isDirect = false;
    if (wide && this.#config.disableDdw !== true && node !== undefined) {
      if (enableDdw(this.#context, node, fn, mask)) {
        fn.isDirect = true;
        fn.bypass = fn.busLimit === 0n;
        if (!fn.bypass)
          this.say(fn, `iommu: 64-bit OK but direct DMA is limited by ${fn.busLimit.toString(16)}`);
        return true;
      }
    }
    const hexMask = `0x${mask.toString(16).padStart(8, "0")}`;
    if (fn.table === undefined) {
      this.say(fn, `Warning: IOMMU dma not supported: mask ${hexMask}, table unavailable`);
      return false;
    }
    if (fn.table.window.busOffset > mask) {
      this.say(fn, "Warning: IOMMU offset too big for device mask");
      return false;
    }
    fn.bypass = false;
    return true;
  }

  /** Makes the table of a window, and clears the window or, for a dump, looks at what is in it (LINUX-CLEAR-1, LINUX-CLEAR-2). */
  #makeTable(window: GuestWindow, bytes: number): IommuTable {
    const table = new IommuTable(window, bytes / window.pageSize);
    const { length } = table;
    if (this.#config.boot !== "kdump") {
      if (this.takesLists) clearPages(this.calls, window, 0, length);
      else for (let i = 0; i < length; i++) this.calls.put(window, i, 0);
      return table;
    }
    for (let i = 0; i < length; i++) {
      const tce = this.calls.get(window, i);
      if (tce !== 0n && tce !== NO_TARGET) table.reserve(i, i + 1);
    }
    if (table.free < DUMP_ENTRIES) {
      this.#config.log?.(`TCE table is full; freeing ${DUMP_ENTRIES} entries for the kdump boot`);
      table.release(Math.max(0, length - DUMP_ENTRIES), length);
    }
    return table;
  }

  get #context(): DdwContext {
    return {
      calls: this.calls,
      kernel: this.kernel,
      memory: this.#memory,
      lists: this.takesLists,
      say: (fn, text) => this.say(fn, text),
      makeTable: (own) => this.#makeTable(own, own.size),
    };
  }
}

const maskOf = (bits: number): bigint => (1n << BigInt(bits)) - 1n;

/** A range in blocks of {@link MEMORY_BLOCK}. */
function blocksOf({ start, size }: MemoryRange): MemoryRange[] {
  return Array.from({ length: Math.ceil(size / MEMORY_BLOCK) }, (_, i) => ({
    start: start + i * MEMORY_BLOCK,
    size: Math.min(MEMORY_BLOCK, size - i * MEMORY_BLOCK),
  }));
}
