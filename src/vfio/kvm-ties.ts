/**
 * What KVM learns from QEMU about VFIO: the groups, and which table of the host follows
 * which of the guest's.
 *
 * @module
 */

import type { KvmGroupFile } from "../kvm/ports.ts";
import type { FlatRange } from "../memory/flat-view.ts";
import { ATTR_TCE_FD } from "../spapr/dma-window.ts";
import type { ConnectContext } from "./connect-context.ts";
import type { Connection } from "./connection.ts";
import { kvmGroupFile } from "./host/kvm-link.ts";
import type { OpenFile } from "./host/open-file.ts";
import type { VfioGroup } from "./host/vfio-group.ts";

/** Makes a group known to KVM; null without KVM. */
export function addToKvm({ kvm, process }: ConnectContext, file: OpenFile<VfioGroup>): KvmGroupFile | null {
  if (kvm === null) return null;
  const group = kvmGroupFile(file, process);
  kvm.vm.addGroup(group);
  return group;
}

/** Ties the in-kernel table of a window to the host's table, for every group of the container (QEMU-CONTAINER-7). */
export function tieTables(
  context: ConnectContext,
  connection: Connection,
  section: FlatRange,
  only?: number,
): string | undefined {
  const fd = section.region.iommu?.hooks.getAttr?.(ATTR_TCE_FD);
  // A region may have the attribute and no in-kernel table (QEMU-WINDOW-7): there is nothing to tie then.
  if (fd === undefined || fd === -1 || context.kvm === null) return undefined;
  for (const [number, { kvm, file }] of connection.groups) {
    if (kvm === null || (only !== undefined && number !== only)) continue;
    const answer = context.kvm.vm.attach(kvm, context.kvm.table(fd));
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
export function untieTables(context: ConnectContext, connection: Connection): void {
  for (const { kvm } of connection.groups.values()) {
    if (kvm === null) continue;
    context.kvm?.vm.deleteGroup(kvm);
    context.kvm?.vm.addGroup(kvm);
  }
  for (const { section } of connection.listener.guestIommus) {
    const untied = tieTables(context, connection, section);
    if (untied !== undefined) context.report(untied);
  }
}
