import { hex, log2 } from "../base/u64.ts";
import type { HostedMachine } from "../vfio/hosted-machine.ts";

/**
 * A window that the guest asks for, or that is there from the start.
 *
 * @public
 */
export interface PlannedWindow {
  /** `bridge 0`, or `spapr-vlan 0x71000001`. */
  readonly owner: string;
  readonly liobn: number;
  readonly busOffset: bigint;
  /** Bytes. */
  readonly size: bigint;
  readonly pageShift: number;
  readonly entries: number;
  /** Entries that are mapped after the boot: all memory, in a window that maps it directly. */
  readonly mapped: number;
}

/**
 * A table that the host's kernel has for a window.
 *
 * @public
 */
export interface PlannedTable {
  readonly owner: string;
  readonly busOffset: bigint;
  /** log2 of its pages: not larger than those of the guest's window and of the guest's memory. */
  readonly pageShift: number;
  /** Bytes that count as locked: entries, twice, and all levels as if they were full. */
  readonly bytes: bigint;
}

/** A window of a plan as a row. */
export const plannedWindowToJson = (window: PlannedWindow): Record<string, unknown> => ({
  ...window,
  liobn: hex(window.liobn),
});

export function plannedWindows({ machine }: HostedMachine): PlannedWindow[] {
  const owned = [
    ...machine.phbs.flatMap((phb) => phb.windows.map((window) => ({ owner: `bridge ${phb.index}`, window }))),
    ...machine.vio.devices.flatMap(({ name, window }) => (window === null ? [] : [{ owner: name, window }])),
  ];
  return owned
    .filter(({ window }) => window.enabled)
    .map(({ owner, window }) => ({
      owner,
      liobn: window.liobn,
      busOffset: window.busOffset,
      size: window.sizeBytes,
      pageShift: window.pageShift,
      entries: window.entries,
      mapped: window.table?.validCount ?? 0,
    }));
}

export function plannedTables({ host, devices, process }: HostedMachine): PlannedTable[] {
  const pageSize = BigInt(process.memory.pageSize);
  return devices.flatMap(({ group, phb }) =>
    host.groups[group]!.iommu.windows.flatMap((table) =>
      table === null
        ? []
        : [
            {
              owner: `bridge ${phb.index}`,
              busOffset: table.start,
              pageShift: log2(BigInt(table.pageSize)),
              bytes: BigInt(table.chargedPages) * pageSize,
            },
          ],
    ),
  );
}
