import { readFileSync } from "node:fs";

/** Memory that this process had at most, in KiB. Linux counts in `maxRSS` what the process had that started this one. */
export function peakKib() {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
  } catch {
    return process.resourceUsage().maxRSS;
  }
}
