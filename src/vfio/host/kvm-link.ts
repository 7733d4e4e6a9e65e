import type { Errno } from "../../base/errno.ts";
import type { MemorySlot } from "../../kvm/memory-slot.ts";
import type { HostRun, HostTable, KvmGroupFile, NOT_ACCEPTED, PageRoute } from "../../kvm/ports.ts";
import { ExtentRoute } from "./extent-route.ts";
import type { HardwareTable } from "./hardware-table.ts";
import type { HostProcess } from "./host-process.ts";
import type { OpenFile } from "./open-file.ts";
import type { RegisteredMemory } from "./registered-memory.ts";
import type { VfioGroup } from "./vfio-group.ts";

/** A hardware table as KVM's handlers use it: with the memory that the virtual machine's process registered. */
class TableOfMachine implements HostTable {
  readonly identity: HardwareTable;
  readonly pageShift: number = 0;
  readonly start: bigint;
  readonly length: number = 0;
  protected readonly registered: RegisteredMemory;

  constructor(table: HardwareTable, registered: RegisteredMemory) {
    this.identity = table;
    this.pageShift = table.pageShift;
    this.start = table.start;
    this.length = table.length;
    this.registered = registered;
  }

  acceptsPage(vaddrHi: number, vaddrLo: number): boolean {
    return this.identity.acceptsPage(this.registered, vaddrHi, vaddrLo);
  }

  accepts(run: HostRun): boolean {
    return this.identity.accepts(this.registered, run);
  }

  mapPage(
    index: number,
    vaddrHi: number,
    vaddrLo: number,
    permission: number,
  ): Errno | 0 | typeof NOT_ACCEPTED {
    return this.identity.mapPage(this.registered, index, vaddrHi, vaddrLo, permission);
  }

  routeOf(slot: MemorySlot, known: PageRoute | null): PageRoute | null {
    const { sole } = this.identity.counts;
    if (sole === undefined || !this.identity.neverFails) return null;
    const isKnown = known instanceof ExtentRoute && known.slot === slot;
    return isKnown ? known : ExtentRoute.of(slot, sole, this.identity);
  }

  map(run: HostRun): Errno | 0 {
    return this.identity.map(this.registered, run);
  }

  unmap(index: number, pages: number): boolean {
    const orphan = this.identity.counts.firstOrphan(this.registered, index, pages);
    this.identity.unmap(this.registered, index, orphan - index);
    return orphan === index + pages;
  }

  clear(index: number, pages: number): void {
    this.identity.clear(index, pages);
  }
}

const links = new WeakMap<OpenFile<VfioGroup>, KvmGroupFile>();

/** The file of a group as KVM knows it; the same object for the same file. */
export function kvmGroupFile(file: OpenFile<VfioGroup>, process: HostProcess): KvmGroupFile {
  const known = links.get(file);
  if (known !== undefined) return known;
  const { windows } = file.object.iommu;
  const link: KvmGroupFile = {
    retain: () => file.retain(),
    release: () => file.release(),
    tables: () =>
      windows
        .filter((table) => table !== null)
        .map((table) => new TableOfMachine(table, process.memory.registered)),
  };
  links.set(file, link);
  return link;
}
