/**
 * The properties of the device tree that describe DMA, as a reset leaves them.
 *
 * @module
 */

import type { DmaWindow } from "./dma-window.ts";
import { RTAS_NAMES, RtasToken, VIO_WINDOW_BYTES } from "./papr.ts";
import type { PciHostBridge } from "./phb.ts";
import type { Profile } from "./profile.ts";
import type { VioBus } from "./vio.ts";

/**
 * A property: cells of 32 bits, or strings.
 *
 * @public
 */
export type DeviceTreeValue = readonly number[] | readonly string[];

/**
 * Nodes by path, and their properties by name; the objects have these and inherit nothing.
 *
 * @public
 */
export type DeviceTree = ReadonlyMap<string, Readonly<Record<string, DeviceTreeValue>>>;

/** Builds the tree. It is not changed afterwards: windows that come and go do not show (QEMU-TREE-1). */
export function buildDeviceTree(phbs: readonly PciHostBridge[], vio: VioBus): DeviceTree {
  const tree = new Map<string, Readonly<Record<string, DeviceTreeValue>>>();
  const add = (path: string, properties: Record<string, DeviceTreeValue>): void => {
    tree.set(path, Object.setPrototypeOf(properties, null));
  };
  add("/rtas", {
    ...Object.fromEntries(Object.entries(RTAS_NAMES).map(([name, token]) => [name, [token]])),
    "ibm,hypertas-functions": ["hcall-tce", "hcall-multi-tce"],
  });
  for (const phb of phbs) add(`/${phb.name}`, bridgeProperties(phb));
  for (const device of vio.devices) {
    if (device.window !== null) add(`/vdevice/${device.name}`, vioProperties(device.reg));
  }
  return tree;
}

/** The node of a bridge as the guest gets it at a reset, or when the bridge is plugged. */
export function bridgeProperties(phb: PciHostBridge): Record<string, DeviceTreeValue> {
  const properties: Record<string, DeviceTreeValue> = {
    device_type: ["pci"],
    compatible: ["IBM,Logical_PHB"],
    reg: [...cells64(phb.buid), 0, 0],
    "ibm,dma-window": windowProperty(phb.windows[0]!, phb.env.profile),
    "ibm,#dma-address-cells": [2],
    "ibm,#dma-size-cells": [2],
  };
  if (phb.ddw) {
    properties["ibm,ddw-applicable"] = [
      RtasToken.QUERY_PE_DMA_WINDOW,
      RtasToken.CREATE_PE_DMA_WINDOW,
      RtasToken.REMOVE_PE_DMA_WINDOW,
    ];
    properties["ibm,ddw-extensions"] = phb.env.profile.ddwExtensions;
  }
  return properties;
}

/** LIOBN, start and size of a window; QEMU computes the size in 32 bits (QEMU-TREE-2, quirk `truncatedWindowProperty`). */
function windowProperty(window: DmaWindow, profile: Profile): number[] {
  // Node 20's compiler crashes on a choice between two bigints that are cut to 64 bits; so the width is chosen.
  const bits = profile.truncatedWindowProperty ? 32 : 64;
  const size = BigInt.asUintN(bits, window.sizeBytes);
  return [window.liobn, ...cells64(window.busOffset), ...cells64(size)];
}

function vioProperties(reg: number): Record<string, DeviceTreeValue> {
  return {
    "ibm,my-dma-window": [reg, 0, 0, 0, VIO_WINDOW_BYTES],
    "ibm,#dma-address-cells": [2],
    "ibm,#dma-size-cells": [2],
  };
}

const cells64 = (value: bigint): [number, number] => [
  Number(BigInt.asUintN(32, value >> 32n)),
  Number(BigInt.asUintN(32, value)),
];

/** A property as it lies in the flattened tree: big-endian cells, or strings with their zeros. */
export function encodeProperty(value: DeviceTreeValue): Uint8Array {
  if (typeof value[0] === "string") {
    return new TextEncoder().encode(value.map((text) => `${text}\0`).join(""));
  }
  const bytes = new Uint8Array(value.length * 4);
  const view = new DataView(bytes.buffer);
  value.forEach((cell, i) => {
    view.setUint32(i * 4, Number(cell));
  });
  return bytes;
}
