import type { Monitor } from "./monitor.ts";
import { QmpClient, type QmpOptions } from "./qmp.ts";
import { VirshMonitor } from "./virsh-monitor.ts";

/**
 * Where a QEMU's monitor is: a socket of one's own, or that of libvirt, which owns the monitors of its domains.
 *
 * @public
 */
export type MonitorPlace =
  | {
      /** Path (`-qmp unix:PATH,server=on,wait=off`). */
      readonly socket: string;
    }
  | {
      /** Name, number or UUID of a domain. */
      readonly domain: string;
      /** libvirt's URI, such as `qemu:///system`; default: that of virsh. */
      readonly uri?: string | undefined;
    };

/** @throws IommuError PEER if there is no such monitor, or it does not answer in time; the signal's reason */
export async function openMonitor(place: MonitorPlace, options: QmpOptions = {}): Promise<Monitor> {
  return "socket" in place
    ? await QmpClient.connect(place.socket, options)
    : await VirshMonitor.open(place.domain, place.uri, options);
}
