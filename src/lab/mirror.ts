import type { FlatRange } from "../memory/flat-view.ts";
import { IommuNotifier, NotifierFlag } from "../memory/iommu-notifier.ts";
import type { ReplayReport } from "../memory/iommu-region.ts";
import type { MappingRun } from "../memory/mapping-run.ts";
import type { MemoryListener } from "../memory/memory-system.ts";

/**
 * Mirrors the mappings of an address space in the way of VFIO's listener: a
 * notifier for each IOMMU section that appears, and a replay of what is mapped
 * already.
 */
export class Mirror implements MemoryListener {
  readonly name: string;
  /** Calls of the notifiers, replays included. */
  notifications = 0;
  /** Pages they told of. */
  pages = 0;
  /** What each replay did, in order. */
  readonly replays: ReplayReport[] = [];
  readonly #notifiers = new Map<FlatRange, IommuNotifier>();

  constructor(name: string) {
    this.name = name;
  }

  regionAdd(section: FlatRange): void {
    const { iommu } = section.region;
    if (iommu === null) return;
    const notifier = new IommuNotifier({
      name: this.name,
      flags: NotifierFlag.IOTLB_EVENTS,
      start: section.offsetInRegion,
      last: section.offsetInRegion + section.size - 1n,
      notify: (run) => this.#heard(run),
    });
    iommu.registerNotifier(notifier);
    this.#notifiers.set(section, notifier);
    this.replays.push(iommu.replay(notifier));
  }

  regionDel(section: FlatRange): void {
    for (const [other, notifier] of this.#notifiers) {
      if (!other.equals(section)) continue;
      section.region.iommu?.unregisterNotifier(notifier);
      this.#notifiers.delete(other);
    }
  }

  #heard(run: MappingRun): void {
    this.notifications++;
    this.pages += run.pages;
  }
}
