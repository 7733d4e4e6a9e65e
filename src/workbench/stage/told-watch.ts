import { permText } from "../../base/permission.ts";
import { hex } from "../../base/u64.ts";
import type { FlatRange } from "../../memory/flat-view.ts";
import { IommuNotifier, NotifierFlag } from "../../memory/iommu-notifier.ts";
import type { MappedIommu } from "../../memory/memory-region.ts";
import type { MemoryListener } from "../../memory/memory-system.ts";
import type { DmaWindow } from "../../spapr/dma-window.ts";
import type { Machine } from "../../spapr/machine.ts";
import type { Told } from "../stage-protocol.ts";
import { Sample } from "./sample.ts";

/**
 * Hears what the notifiers of a machine's windows are told. It is one more notifier in each window, so it is for
 * machines whose windows are mirrored already: there it changes nothing.
 */
export class ToldWatch {
  readonly #machine: Machine;
  #told = new Sample<Told>();

  constructor(machine: Machine) {
    this.#machine = machine;
    for (const phb of machine.phbs) machine.memory.register(this.#listener(phb.name), phb.addressSpace);
  }

  /** What was told since the last time. */
  take(): Sample<Told> {
    const told = this.#told;
    this.#told = new Sample();
    return told;
  }

  #listener(bridge: string): MemoryListener {
    const notifiers = new Map<bigint, { region: MappedIommu; notifier: IommuNotifier }>();
    return {
      name: `watch of ${bridge}`,
      regionAdd: ({ region, address }: FlatRange) => {
        if (region.iommu === null) return;
        const notifier = this.#notifier(region.iommu);
        region.iommu.registerNotifier(notifier);
        notifiers.set(address, { region: region.iommu, notifier });
      },
      regionDel: ({ address }: FlatRange) => {
        const known = notifiers.get(address);
        notifiers.delete(address);
        known?.region.unregisterNotifier(known.notifier);
      },
    };
  }

  #notifier(region: MappedIommu): IommuNotifier {
    return new IommuNotifier({
      name: "watch",
      flags: NotifierFlag.IOTLB_EVENTS,
      notify: ({ iova, pages, perm, target }) => {
        const window = this.#windowOf(region);
        this.#told.add({
          liobn: hex(window?.liobn ?? 0),
          ioba: BigInt.asUintN(64, (window?.busOffset ?? 0n) + iova),
          pages,
          perm: perm === 0 ? "" : permText(perm),
          target,
        });
      },
    });
  }

  #windowOf(region: MappedIommu): DmaWindow | undefined {
    for (const { windows } of this.#machine.phbs)
      for (const window of windows) if (window.iommu === region) return window;
    return undefined;
  }
}
