import { type Answer, isErrno } from "../../base/errno.ts";
import { hiOf, loOf } from "../../base/u64.ts";
import { HardwareTable } from "./hardware-table.ts";
import type { HostKernel } from "./host-kernel.ts";
import type { HostMemory } from "./host-memory.ts";
import type { HostProcess } from "./host-process.ts";
import { type BridgeInfo, type IommuGroup, MAX_WINDOWS, WINDOW_STARTS } from "./iommu-group.ts";
import { powerOfTwo, tableBytes, tableGeometry, type WindowShape } from "./tce-geometry.ts";

/** Page shift of the default window. */
const DEFAULT_PAGE_SHIFT = 12;

/**
 * The windows of a container, each with one table for all of its groups.
 *
 * The default window is pending at first: it comes with the first request that
 * needs it, unless it is removed before.
 */
export class ContainerWindows {
  readonly #host: HostKernel;
  #defaultPending = false;
  /** The group that came last is the first. */
  readonly #groups: IommuGroup[] = [];
  readonly #slots: (HardwareTable | null)[] = new Array<null>(MAX_WINDOWS).fill(null);

  constructor(host: HostKernel) {
    this.#host = host;
  }

  /** The tables of the windows that exist. */
  get tables(): readonly HardwareTable[] {
    return this.#slots.filter((table) => table !== null);
  }

  /** The groups that see them; the one that came last is the first. */
  get groups(): readonly IommuGroup[] {
    return this.#groups;
  }

  get hasGroups(): boolean {
    return this.#groups.length > 0;
  }

  /** What the bridge of the groups can do; there is at least one group. */
  get bridge(): BridgeInfo {
    return this.#groups[0]!.bridge;
  }

  /** The table that an address, in halves of either sign, lies in. */
  tableAt(hi: number, lo: number): HardwareTable | undefined {
    const slots = this.#slots;
    for (let slot = 0; slot < slots.length; slot++) {
      const table = slots[slot]!;
      if (table !== null && table.indexOf(hi, lo) >= 0) return table;
    }
    return undefined;
  }

  /** A group joins and sees the windows that there are. */
  attach(group: IommuGroup): void {
    if (!this.hasGroups && this.#slots[0] === null) this.#defaultPending = true;
    this.#slots.forEach((table, slot) => {
      group.windows[slot] = table;
    });
    this.#groups.unshift(group);
  }

  /** A group leaves and sees nothing any more. */
  detach(group: IommuGroup, memory: HostMemory | null): void {
    this.#groups.splice(this.#groups.indexOf(group), 1);
    if (this.#host.profile.detachClearsMappings) this.#clear(memory);
    group.windows.fill(null);
  }

  /** The end of all groups and tables. */
  release(memory: HostMemory | null): void {
    for (const group of [...this.#groups]) this.detach(group, memory);
    this.#clear(memory);
    for (const table of this.tables) memory?.uncharge(table.chargedPages);
    this.#slots.fill(null);
  }

  /** Makes the default window if it is pending; it stays so if that fails. */
  createPending(caller: HostProcess): Answer {
    if (!this.#defaultPending) return 0;
    const shape = { pageShift: DEFAULT_PAGE_SHIFT, size: this.bridge.dma32WindowSize, levels: 1 };
    const start = this.create(caller, shape);
    if (isErrno(start)) return start;
    this.#defaultPending = false;
    return 0;
  }

  /** Makes a window in the first free slot; answers where it begins. */
  create(caller: HostProcess, shape: WindowShape): Answer<bigint> {
    const host = this.#host;
    const { bridge } = this;
    const { pageShift } = shape;
    const slot = this.#slots.indexOf(null);
    if (slot < 0) return "ENOSPC";
    if ((bridge.pageSizes & powerOfTwo(pageShift)) === 0n) return "EINVAL";
    const bytes = tableBytes(shape, host.pageShift, bridge.levels);
    if (bytes === 0n) return "EINVAL";
    const chargedPages = Number(bytes >> BigInt(host.pageShift));
    if (!caller.charge(chargedPages)) return "ENOMEM";

    const geometry = host.faults.allocate.pass() ?? tableGeometry(shape, host.pageShift);
    if (isErrno(geometry) || geometry.length > host.maxEntries) {
      if (!host.profile.failedTableStaysCharged) caller.uncharge(chargedPages);
      return isErrno(geometry) ? geometry : "ENOMEM";
    }
    const start = WINDOW_STARTS[slot]!;
    this.#place(slot, new HardwareTable({ pageShift, start, chargedPages }, geometry, host));
    return start;
  }

  /** Removes the window that an address lies in. */
  remove(start: bigint, memory: HostMemory): Answer {
    if (this.#defaultPending && start === WINDOW_STARTS[0]) {
      this.#defaultPending = false;
      return 0;
    }
    const table = this.tableAt(hiOf(start), loOf(start));
    if (table === undefined) return "EINVAL";
    table.unmap(memory.registered, 0, table.length);
    this.#place(this.#slots.indexOf(table), null);
    memory.uncharge(table.chargedPages);
    return 0;
  }

  #place(slot: number, table: HardwareTable | null): void {
    this.#slots[slot] = table;
    for (const group of this.#groups) group.windows[slot] = table;
  }

  #clear(memory: HostMemory | null): void {
    if (memory === null) return;
    for (const table of this.tables) table.unmap(memory.registered, 0, table.length);
  }
}
