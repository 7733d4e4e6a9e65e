import type { PhbConfig } from "../spapr/phb.ts";
import type { QmpClient } from "./qmp.ts";

/** Where QEMU keeps devices: its own, those with an id, those without. */
const FOLDERS = ["/machine/unattached", "/machine/peripheral", "/machine/peripheral-anon"] as const;
const BRIDGE_TYPE = "child<spapr-pci-host-bridge>";

/**
 * Asks a running QEMU for its PCI host bridges. A trace does not say where
 * and how large their default windows are, which come back at every reset.
 */
export async function findBridges(client: QmpClient): Promise<PhbConfig[]> {
  const bridges: PhbConfig[] = [];
  for (const folder of FOLDERS) {
    const children = (await client.execute("qom-list", { path: folder })) as { name: string; type: string }[];
    for (const { name, type } of children) {
      if (type === BRIDGE_TYPE) bridges.push(await readBridge(client, `${folder}/${name}`));
    }
  }
  return bridges.sort((a, b) => a.index - b.index);
}

async function readBridge(client: QmpClient, path: string): Promise<PhbConfig> {
  const get = (property: string): Promise<unknown> => client.execute("qom-get", { path, property });
  // JSON's numbers are exact for addresses and sizes with at most 53 significant bits, which all sensible ones are.
  const big = async (property: string): Promise<bigint> => BigInt((await get(property)) as number);
  return {
    index: (await get("index")) as number,
    ddw: (await get("ddw")) as boolean,
    pgsz: await big("pgsz"),
    dmaWinAddr: await big("dma_win_addr"),
    dmaWinSize: await big("dma_win_size"),
    dma64WinAddr: await big("dma64_win_addr"),
  };
}
