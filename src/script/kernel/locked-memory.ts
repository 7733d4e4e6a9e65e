import { formatSize } from "../../base/units.ts";
import type { ResultLine } from "./run.ts";

/** What operations charge, and the rules that say so. */
const CHARGES: Readonly<Record<string, string>> = {
  enable: "the default window, as if all of it were mapped (VFIO-LOCK-1)",
  register: "all pages of the memory that is registered (VFIO-LOCK-2)",
  create:
    "the window's table, all levels as if they were full, and its copy with user addresses (VFIO-LOCK-2)",
  kvm_create_tce: "the guest's table in the kernel, and its description (KVM-TABLE-1)",
};

/**
 * What an operation changed in the account of locked memory, in words.
 *
 * @param before KiB that were charged before it
 * @returns undefined if it changed nothing
 */
export function lockedText({ op, errno, lck }: ResultLine, before: number): string | undefined {
  if (lck === before) return undefined;
  const total = `${formatSize(lck * 1024)} of locked memory in all`;
  if (lck < before) return `${op} gives back ${formatSize((before - lck) * 1024)}; ${total}`;
  const what =
    errno === undefined ? CHARGES[op] : "a table that could not be made stays charged (VFIO-LOCK-3)";
  return `${op} charges ${formatSize((lck - before) * 1024)}${what === undefined ? "" : `: ${what}`}; ${total}`;
}
