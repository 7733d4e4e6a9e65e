import { formatSize } from "../base/units.ts";
import { cells } from "../guest/guest-calls.ts";
import { RtasToken } from "../spapr/papr.ts";
import type { HostedMachineConfig } from "../vfio/hosted-machine.ts";
import type { LabMachine } from "./lab-machine.ts";

export const MIB: bigint = 1n << 20n;
const GIB = 1n << 30n;
export const LIOBN = 0x8000_0000;
/** The second window: 4096 pages of 64 KiB. */
const WINDOW = { pageShift: 16, shift: 28 };
/** The window of 32 bits that ENABLE of version 1 counts, whatever is mapped. */
export const V1_WINDOW: bigint = 2n * GIB;
/** Its table: 2^19 entries of 4 KiB pages, twice 8 bytes each. */
export const V1_TABLE: bigint = 8n * MIB;
/** Tables that version 2 charges for: the default window of 1 GiB in 4 KiB pages, twice 8 bytes an entry. */
export const V2_DEFAULT_TABLE: bigint = 4n * MIB;

/** A machine whose locked memory is looked at. */
export interface Machine {
  readonly container: "spapr-v1" | "spapr-v2";
  readonly accel: "tcg" | "kvm";
  readonly ramSize: bigint;
  /** The bridge offers dynamic windows; a user of version 1 has to switch them off. */
  readonly ddw: boolean;
}

/** Memory of a small guest. */
export const SMALL: bigint = 256n * MIB;

export const MACHINES: readonly Machine[] = [
  { container: "spapr-v1", accel: "tcg", ramSize: SMALL, ddw: false },
  { container: "spapr-v1", accel: "tcg", ramSize: 4n * GIB, ddw: false },
  { container: "spapr-v2", accel: "tcg", ramSize: SMALL, ddw: true },
  { container: "spapr-v2", accel: "tcg", ramSize: 4n * GIB, ddw: true },
  { container: "spapr-v2", accel: "kvm", ramSize: SMALL, ddw: true },
];

export const nameOf = ({ container, accel, ramSize }: Machine): string =>
  `v${container.at(-1)}, ${accel.toUpperCase()}, ${formatSize(ramSize)} guest`;

export const configOf = ({ ddw, ...machine }: Machine): HostedMachineConfig => ({
  ...machine,
  phbs: [{ index: 0, ddw }],
});

/** The guest creates the second window; returns the status of the RTAS call. */
export function createWindow({ hosted }: LabMachine): number {
  const { machine } = hosted;
  const args = [0, ...cells(machine.phb(0).buid), WINDOW.pageShift, WINDOW.shift];
  return machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, args, 4)[0]!;
}
