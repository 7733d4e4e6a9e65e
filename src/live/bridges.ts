import type { PhbConfig } from "../spapr/phb.ts";
import type { Commands } from "./monitor.ts";
import type { QmpAnswer } from "./qmp-answer.ts";

/** Where QEMU keeps devices: its own, those with an id, those without. */
const FOLDERS = ["/machine/unattached", "/machine/peripheral", "/machine/peripheral-anon"] as const;
const BRIDGE_TYPE = "child<spapr-pci-host-bridge>";

/**
 * Asks a running QEMU for its PCI host bridges. A trace does not say where
 * and how large their default windows are, which come back at every reset.
 */
export async function findBridges(commands: Commands): Promise<PhbConfig[]> {
  const bridges: PhbConfig[] = [];
  for (const folder of FOLDERS) {
    for (const child of (await commands.execute("qom-list", { path: folder })).list) {
      if (child.get("type").text !== BRIDGE_TYPE) continue;
      bridges.push(await readBridge(commands, `${folder}/${child.get("name").text}`));
    }
  }
  return bridges.sort((a, b) => a.index - b.index);
}

async function readBridge(commands: Commands, path: string): Promise<PhbConfig> {
  const get = (property: string): Promise<QmpAnswer> => commands.execute("qom-get", { path, property });
  return {
    index: Number((await get("index")).whole),
    ddw: (await get("ddw")).truth,
    pgsz: (await get("pgsz")).whole,
    dmaWinAddr: (await get("dma_win_addr")).whole,
    dmaWinSize: (await get("dma_win_size")).whole,
    dma64WinAddr: (await get("dma64_win_addr")).whole,
  };
}
