import { type Answer, isErrno } from "../../base/errno.ts";
import type { HostProcess } from "./host-process.ts";
import type { SpaprIommu } from "./spapr-iommu.ts";
import type { VfioContainer } from "./vfio-container.ts";

/** `_IO(';', 100)` on POWER, where `_IO` sets a direction bit; the numbers of the requests count from here. */
const VFIO_BASE = 0x2000_3b64;

/** Requests of the driver by number. Their argument here is no pointer. */
const DRIVER_REQUESTS: Readonly<
  Record<number, (iommu: SpaprIommu, caller: HostProcess) => Answer<number | bigint | object>>
> = {
  12: (iommu, caller) => iommu.getInfo(caller, undefined),
  13: (iommu, caller) => iommu.map(caller, undefined),
  14: (iommu, caller) => iommu.unmap(caller, undefined),
  15: (iommu, caller) => iommu.enable(caller),
  16: (iommu, caller) => iommu.disable(caller),
  17: (iommu, caller) => iommu.registerMemory(caller, undefined),
  18: (iommu, caller) => iommu.unregisterMemory(caller, undefined),
  19: (iommu, caller) => iommu.createWindow(caller, undefined),
  20: (iommu, caller) => iommu.removeWindow(caller, undefined),
  21: (iommu, caller) => iommu.eeh(caller, undefined),
};

/** An ioctl on a container by its number, with a null pointer (or the number 0) as argument. */
export function rawIoctl(container: VfioContainer, caller: HostProcess, command: bigint): Answer<number> {
  const request = Number(command) - VFIO_BASE;
  if (request === 0) return 0; // GET_API_VERSION
  if (request === 1) return container.checkExtension(0n);
  if (request === 2) return container.setIommu(0n);
  const { iommu } = container;
  if (iommu === null) return "EINVAL";
  const answer = DRIVER_REQUESTS[request]?.(iommu, caller) ?? iommu.unknown(caller);
  return isErrno(answer) ? answer : 0;
}
