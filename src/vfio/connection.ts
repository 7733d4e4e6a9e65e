import { isErrno } from "../base/errno.ts";
import { rangeOf } from "../base/range.ts";
import type { KvmGroupFile } from "../kvm/ports.ts";
import type { FlatRange } from "../memory/flat-view.ts";
import { ATTR_TCE_FD } from "../spapr/dma-window.ts";
import type { PciHostBridge } from "../spapr/phb.ts";
import { TCE_READ, TCE_WRITE } from "../tce/tce.ts";
import type { DmaContainer } from "./container.ts";
import type { GuestMemory } from "./guest-memory.ts";
import { kvmGroupFile } from "./host/kvm-link.ts";
import type { OpenFile } from "./host/open-file.ts";
import { VFIO_SPAPR_TCE_IOMMU, VFIO_SPAPR_TCE_V2_IOMMU, VfioContainer } from "./host/vfio-container.ts";
import type { VfioGroup } from "./host/vfio-group.ts";
import type { HostedMachine } from "./hosted-machine.ts";
import { VfioListener } from "./listener.ts";
import { PreregListener } from "./prereg-listener.ts";
import { SpaprContainer } from "./spapr-container.ts";
import { Type1Container } from "./type1-container.ts";

/** What connecting a group needs of its machine. */
export interface ConnectContext {
  readonly hosted: HostedMachine;
  readonly vaddrOf: (memory: GuestMemory) => bigint;
  readonly report: (message: string) => void;
}

/** A container that serves the address space of a bridge, and the groups in it. */
export class Connection {
  readonly phb: PciHostBridge;
  readonly container: DmaContainer;
  readonly listener: VfioListener;
  /** The host kernel's container; null for type1. */
  readonly kernel: OpenFile<VfioContainer> | null;
  readonly groups: Map<number, { file: OpenFile<VfioGroup>; kvm: KvmGroupFile | null }> = new Map();
  prereg: PreregListener | null = null;

  constructor(
    phb: PciHostBridge,
    container: DmaContainer,
    listener: VfioListener,
    kernel: OpenFile<VfioContainer> | null,
  ) {
    this.phb = phb;
    this.container = container;
    this.listener = listener;
    this.kernel = kernel;
  }

  /** Where an access of a group's device goes: an address in QEMU's process, or undefined where it is refused. */
  translate(hosted: HostedMachine, group: number, iova: bigint, write: boolean): bigint | undefined {
    if (this.container instanceof Type1Container) return this.container.translate(iova, write);
    const physical = hosted.host.groups[group]?.iommu.translate(iova, write ? TCE_WRITE : TCE_READ) ?? null;
    return physical === null ? undefined : hosted.vaddrOfPhysical(physical);
  }
}

/**
 * Connects a group to the address space of a bridge (QEMU-CONTAINER-1): joins the
 * container that serves it, or makes one. On failure all is as before.
 *
 * @returns the connection, or QEMU's error message
 */
export function connectGroup(
  context: ConnectContext,
  phb: PciHostBridge,
  file: OpenFile<VfioGroup>,
  existing: readonly Connection[],
): Connection | string {
  const { number } = file.object.iommu;
  for (const known of existing) {
    // A container of version 1 has room for one group: the next one gets its own.
    if (known.phb === phb && joinContainer(context, known, file)) return known;
  }
  const connection =
    context.hosted.config.container === "type1v2" ? newType1(context, phb) : newSpapr(context, phb, file);
  if (typeof connection === "string") return connection;
  connection.groups.set(number, { file, kvm: addToKvm(context, file) });
  context.hosted.machine.memory.register(connection.listener, phb.addressSpace);
  const { error } = connection.listener;
  if (error !== undefined) {
    tearDown(context, connection);
    return `memory listener initialization failed: ${error}`;
  }
  connection.listener.initialized = true;
  return connection;
}

/** Takes a group out; answers whether the container went with it. */
export function disconnect(context: ConnectContext, connection: Connection, group: number): boolean {
  const entry = connection.groups.get(group);
  if (connection.groups.size === 1) {
    tearDown(context, connection);
    entry?.file.release();
    return true;
  }
  connection.groups.delete(group);
  if (entry === undefined) return false;
  if (entry.kvm !== null) context.hosted.kvm?.vm.deleteGroup(entry.kvm);
  entry.file.object.unsetContainer();
  entry.file.release();
  // The kernel clears all mappings of the container when a group leaves (a quirk): tell it again what is mapped.
  if (connection.kernel !== null && context.hosted.host.profile.detachClearsMappings) {
    for (const guestIommu of connection.listener.guestIommus) guestIommu.replay();
  }
  return false;
}

/**
 * Joins a container that exists; false if it does not take the group. QEMU does not tie its windows for the new
 * group (QEMU-CONTAINER-3), so that KVM would lose the host's tables when the
 * first group leaves; here they are tied.
 */
function joinContainer(context: ConnectContext, connection: Connection, file: OpenFile<VfioGroup>): boolean {
  const { number } = file.object.iommu;
  if (connection.kernel !== null && file.object.setContainer(connection.kernel.object) !== 0) return false;
  connection.groups.set(number, { file, kvm: addToKvm(context, file) });
  for (const { section } of connection.listener.guestIommus) {
    const untied = tieTables(context, connection, section, number);
    if (untied !== undefined) context.report(untied);
  }
  return true;
}

function addToKvm({ hosted }: ConnectContext, file: OpenFile<VfioGroup>): KvmGroupFile | null {
  if (hosted.kvm === null) return null;
  const group = kvmGroupFile(file, hosted.process);
  hosted.kvm.vm.addGroup(group);
  return group;
}

function newListener(context: ConnectContext, container: DmaContainer): VfioListener {
  const { machine, config } = context.hosted;
  return new VfioListener({
    container,
    systemMemory: machine.systemMemory,
    quirks: machine.profile,
    report: context.report,
    fatal: (message) =>
      machine.observer.hazard?.({
        id: "QEMU-LISTENER-3",
        what: `${message}; the real system has no defined answer`,
        values: {},
      }),
    lazyReplay: config.lazyReplay ?? false,
    keepTold: config.coherence ?? false,
  });
}

function newType1(context: ConnectContext, phb: PciHostBridge): Connection {
  const { process, host } = context.hosted;
  const container = new Type1Container(`type1 of ${phb.name}`, process, context.vaddrOf, host.faults);
  return new Connection(phb, container, newListener(context, container), null);
}

/** Makes a container of the kernel, version 2 or 1, and prepares it for the listener. */
function newSpapr(
  context: ConnectContext,
  phb: PciHostBridge,
  file: OpenFile<VfioGroup>,
): Connection | string {
  const { hosted } = context;
  const { host, process, machine } = hosted;
  const kernel = VfioContainer.open(host);
  const type = hosted.config.container === "spapr-v1" ? VFIO_SPAPR_TCE_IOMMU : VFIO_SPAPR_TCE_V2_IOMMU;
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
      vaddrOf: context.vaddrOf,
      ramPageSize: 1n << BigInt(hosted.config.ramPageShift ?? host.pageShift),
      refusedMapStays: machine.profile.vfioRefusedMapStays,
      ...(hosted.kvm === null
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

function newPrereg(context: ConnectContext, kernel: VfioContainer): PreregListener {
  const { hosted } = context;
  return new PreregListener({
    iommu: kernel.iommu!,
    process: hosted.process,
    vaddrOf: (section) => hosted.vaddrOfSection(section),
    report: context.report,
    fatal: (message) =>
      hosted.machine.observer.hazard?.({
        id: "QEMU-LISTENER-3",
        what: `${message}; the real system has no defined answer`,
        values: {},
      }),
  });
}

/** Ties the in-kernel table of a window to the host's table, for every group of the container (QEMU-CONTAINER-7). */
function tieTables(
  { hosted }: ConnectContext,
  connection: Connection,
  section: FlatRange,
  only?: number,
): string | undefined {
  const fd = section.region.iommu?.hooks.getAttr?.(ATTR_TCE_FD);
  // A region may have the attribute and no in-kernel table (QEMU-WINDOW-7): there is nothing to tie then.
  if (fd === undefined || fd === -1 || hosted.kvm === null) return undefined;
  for (const [number, { kvm, file }] of connection.groups) {
    if (kvm === null || (only !== undefined && number !== only)) continue;
    const answer = hosted.kvm.vm.attach(kvm, hosted.kvm.table(fd));
    if (answer !== 0) {
      return `vfio: failed to setup fd ${fd} for a group with fd ${file.object.iommu.number}: ${answer}`;
    }
  }
  return undefined;
}

/**
 * Makes KVM let go of the table of a window that is about to be removed: it
 * would go on writing to it (STACK-INV-10) when the guest's window is only
 * hidden, not gone. A group can be forgotten as a whole only, so it is added
 * again, with the sections that stay.
 */
function untieTables(context: ConnectContext, connection: Connection): void {
  for (const { kvm } of connection.groups.values()) {
    if (kvm === null) continue;
    context.hosted.kvm?.vm.deleteGroup(kvm);
    context.hosted.kvm?.vm.addGroup(kvm);
  }
  for (const { section } of connection.listener.guestIommus) {
    const untied = tieTables(context, connection, section);
    if (untied !== undefined) context.report(untied);
  }
}

/**
 * Undoes a connection: KVM lets the groups go while their windows exist; then
 * listeners, which unmap and remove what they made; then groups and container.
 */
function tearDown({ hosted }: ConnectContext, connection: Connection): void {
  const { memory } = hosted.machine;
  for (const entry of connection.groups.values()) {
    if (entry.kvm !== null) hosted.kvm?.vm.deleteGroup(entry.kvm);
    entry.kvm = null;
  }
  memory.unregister(connection.listener);
  if (connection.prereg !== null) memory.unregister(connection.prereg);
  for (const { file } of connection.groups.values()) file.object.unsetContainer();
  connection.groups.clear();
  connection.kernel?.release();
}
