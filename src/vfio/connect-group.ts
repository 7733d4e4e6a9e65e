/**
 * How QEMU puts an IOMMU group into a container and takes it out again (QEMU-CONTAINER-1).
 *
 * @module
 */

import type { PciHostBridge } from "../spapr/phb.ts";
import type { ConnectContext } from "./connect-context.ts";
import type { Connection } from "./connection.ts";
import { newSpaprConnection, newType1Connection } from "./container-setup.ts";
import type { OpenFile } from "./host/open-file.ts";
import type { VfioGroup } from "./host/vfio-group.ts";
import { addToKvm, tieTables } from "./kvm-ties.ts";

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
    context.config.container === "type1v2"
      ? newType1Connection(context, phb)
      : newSpaprConnection(context, phb, file);
  if (typeof connection === "string") return connection;
  connection.groups.set(number, { file, kvm: addToKvm(context, file) });
  context.machine.memory.register(connection.listener, phb.addressSpace);
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
  if (entry.kvm !== null) context.kvm?.vm.deleteGroup(entry.kvm);
  entry.file.object.unsetContainer();
  entry.file.release();
  // The kernel clears all mappings of the container when a group leaves (a quirk): map again what is mapped.
  if (connection.kernel !== null && context.host.profile.detachClearsMappings) {
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

/**
 * Undoes a connection: KVM lets the groups go while their windows exist; then
 * listeners, which unmap and remove what they made; then groups and container.
 */
function tearDown({ machine, kvm }: ConnectContext, connection: Connection): void {
  const { memory } = machine;
  for (const entry of connection.groups.values()) {
    if (entry.kvm !== null) kvm?.vm.deleteGroup(entry.kvm);
    entry.kvm = null;
  }
  memory.unregister(connection.listener);
  if (connection.prereg !== null) memory.unregister(connection.prereg);
  for (const { file } of connection.groups.values()) file.object.unsetContainer();
  connection.groups.clear();
  connection.kernel?.release();
}
