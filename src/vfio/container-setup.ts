/**
 * How QEMU makes a container and prepares it for the listener of a bridge
 * (QEMU-CONTAINER-1, QEMU-CONTAINER-2).
 *
 * @module
 */

import { isErrno } from "../base/errno.ts";
import { rangeOf } from "../base/range.ts";
import type { FlatRange } from "../memory/flat-view.ts";
import type { Machine } from "../spapr/machine.ts";
import type { PciHostBridge } from "../spapr/phb.ts";
import type { ConnectContext } from "./connect-context.ts";
import { Connection } from "./connection.ts";
import type { DmaContainer } from "./container.ts";
import type { OpenFile } from "./host/open-file.ts";
import { VFIO_SPAPR_TCE_IOMMU, VFIO_SPAPR_TCE_V2_IOMMU, VfioContainer } from "./host/vfio-container.ts";
import type { VfioGroup } from "./host/vfio-group.ts";
import { tieTables, untieTables } from "./kvm-ties.ts";
import { VfioListener } from "./listener.ts";
import { PreregListener } from "./prereg-listener.ts";
import { SpaprContainer } from "./spapr-container.ts";
import { Type1Container } from "./type1-container.ts";

function newListener(context: ConnectContext, container: DmaContainer): VfioListener {
  const { machine, config } = context;
  return new VfioListener({
    container,
    systemMemory: machine.systemMemory,
    quirks: machine.profile,
    report: (message) => context.report(message),
    fatal: (message) => reportFatal(machine, message),
    lazyReplay: config.lazyReplay ?? false,
    keepNotified: config.coherence ?? false,
  });
}

/** A type1 container, and a listener for it. */
export function newType1Connection(context: ConnectContext, phb: PciHostBridge): Connection {
  const { process, host } = context;
  const container = new Type1Container(`type1 of ${phb.name}`, process, context.memory, host.faults);
  return new Connection(phb, container, newListener(context, container), null);
}

/**
 * A container of the kernel, version 2 or 1, ready for its listener, with a
 * group in it.
 *
 * @returns QEMU's error message if that failed; all is as before then
 */
export function newSpaprConnection(
  context: ConnectContext,
  phb: PciHostBridge,
  file: OpenFile<VfioGroup>,
): Connection | string {
  const { host, process, machine, config, kvm } = context;
  const kernel = VfioContainer.open(host);
  const type = config.container === "spapr-v1" ? VFIO_SPAPR_TCE_IOMMU : VFIO_SPAPR_TCE_V2_IOMMU;
  const fail = (message: string): string => {
    file.object.unsetContainer();
    kernel.release();
    return message;
  };
  const joined = file.object.setContainer(kernel.object);
  if (joined !== 0) return fail(`failed to set container: ${joined}`);
  const set = kernel.object.setIommu(BigInt(type));
  if (set !== 0) return fail(`failed to set iommu for container: ${set}`);
  const iommu = kernel.object.iommu!;

  let prereg: PreregListener | null = null;
  if (iommu.version === 1) {
    const enabled = iommu.enable(process);
    if (enabled !== 0) return fail(`failed to enable container: ${enabled}`);
  } else {
    prereg = newPrereg(context, kernel.object);
    machine.memory.register(prereg, machine.systemMemory);
    if (prereg.error !== undefined) {
      machine.memory.unregister(prereg);
      return fail(`RAM memory listener initialization failed: ${prereg.error}`);
    }
    prereg.initialized = true;
  }
  const undo = (message: string): string => {
    if (prereg !== null) machine.memory.unregister(prereg);
    return fail(message);
  };
  const info = iommu.getInfo(process, {});
  if (isErrno(info)) return undo(`VFIO_IOMMU_SPAPR_TCE_GET_INFO failed: ${info}`);
  const { dma32WindowStart, dma32WindowSize, ddw } = info;
  if (iommu.version === 2) {
    const removed = iommu.removeWindow(process, { start: dma32WindowStart });
    if (removed !== 0) return undo(`failed to remove existing window: ${removed}`);
  }
  const container = new SpaprContainer(
    `spapr v${iommu.version} of ${phb.name}`,
    {
      iommu,
      process,
      memory: context.memory,
      ramPageSize: 1n << BigInt(config.ramPageShift ?? host.pageShift),
      refusedMapStays: machine.profile.vfioRefusedMapStays,
      ...(kvm === null
        ? {}
        : {
            tieTables: (section: FlatRange) => tieTables(context, connection, section),
            untieTables: () => untieTables(context, connection),
          }),
    },
    iommu.version === 1 ? rangeOf(dma32WindowStart, dma32WindowSize) : null,
    ddw?.pageSizes ?? 0x1000n,
  );
  const connection: Connection = new Connection(phb, container, newListener(context, container), kernel);
  connection.prereg = prereg;
  return connection;
}

/** What QEMU's listener has no way on after (QEMU-LISTENER-3). */
const reportFatal = (machine: Machine, message: string): void =>
  machine.observer.hazard?.({
    id: "QEMU-LISTENER-3",
    what: `${message}; the real system has no defined answer`,
    values: {},
  });

function newPrereg(context: ConnectContext, kernel: VfioContainer): PreregListener {
  return new PreregListener({
    iommu: kernel.iommu!,
    process: context.process,
    vaddrOf: (section) => context.memory.vaddrOfSection(section),
    report: (message) => context.report(message),
    fatal: (message) => reportFatal(context.machine, message),
  });
}
