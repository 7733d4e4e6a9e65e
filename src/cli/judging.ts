import type { Option } from "commander";
import type { CheckOptions } from "../check/check-options.ts";
import type { CheckTraceOptions } from "../check/whole/check-trace.ts";
import { type DeviceOptions, devicesOption, devicesTold } from "./device-options.ts";
import { type MachineOptions, machineOptions, windowsTold } from "./machine-options.ts";
import { filterOption, snapshotOption, text, thresholdOptions } from "./options.ts";

/** Thresholds as the command line has them. */
export interface ThresholdOptions extends CheckOptions {
  /** Percent, not a part. */
  readonly fullAt: number;
}

/** What the options of {@link judgingOptions} say. */
export interface JudgingOptions extends ThresholdOptions, MachineOptions, DeviceOptions {
  readonly filter: readonly string[];
  readonly kernelLog?: string | undefined;
  readonly snapshot?: string | undefined;
}

/** Options of the verbs that judge whole files. */
export const judgingOptions = (): Option[] => [
  ...thresholdOptions(),
  filterOption(),
  ...machineOptions(),
  devicesOption(),
  text("--kernel-log <file>", "Linux: the kernel's log of the same time (dmesg), if it is not in the trace"),
  snapshotOption(),
];

/** How files are judged by these options. The kernel's log is not opened. */
export async function judgingOf(options: JudgingOptions): Promise<Omit<CheckTraceOptions, "name">> {
  const { filter, buffer, snapshot } = options;
  const windows = await windowsTold(options);
  return {
    ...thresholdsOf(options),
    windows,
    devices: await devicesTold(options),
    filter,
    buffer,
    snapshot,
  };
}

/** What the options of {@link thresholdOptions} say. */
export const thresholdsOf = ({ fullAt, goneAt, ...options }: ThresholdOptions): CheckOptions => ({
  ram: options.ram,
  fullAt: fullAt / 100,
  freePages: options.freePages,
  overtaken: options.overtaken,
  pool: options.pool,
  outlived: options.outlived,
  older: options.older,
  neverUnmapped: options.neverUnmapped,
  goneAt: goneAt / 100,
  cacheLine: options.cacheLine,
  dmaMask: options.dmaMask,
  sweep: options.sweep,
});
