/**
 * The monitor of a QEMU that is not there: it answers what `attach --base none` asks.
 *
 * @module
 */

import { createServer } from "node:net";

const GREETING =
  '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}';

/** One bridge, whose default window has 1 GiB in pages of 4 KiB from bus address 0. */
const BRIDGE = {
  index: 0,
  ddw: true,
  pgsz: 0x121_1000,
  dma_win_addr: 0,
  dma_win_size: 2 ** 30,
  dma64_win_addr: 2 ** 59,
};

const REPLIES = {
  "qom-list": ({ path }) =>
    path === "/machine/unattached" ? [{ name: "device[1]", type: "child<spapr-pci-host-bridge>" }] : [],
  "qom-get": ({ property }) => BRIDGE[property],
  "query-status": () => ({ status: "running" }),
  "trace-event-get-state": () => [{ name: "spapr_iommu_pci_put", state: "disabled", vcpu: false }],
};

/** Listens on a socket; returns what ends it. @param mayGreet is waited for before it says anything */
export async function startMonitor(socket, mayGreet = Promise.resolve()) {
  const clients = new Set();
  const server = createServer((client) => {
    clients.add(client);
    client.on("error", () => {});
    client.on("close", () => clients.delete(client));
    const send = (text) => client.write(`${text}\r\n`);
    let held = "";
    client.on("data", (chunk) => {
      const lines = (held + chunk).split("\n");
      held = lines.pop();
      for (const line of lines) {
        const { execute, arguments: given = {}, id } = JSON.parse(line);
        send(JSON.stringify({ return: REPLIES[execute]?.(given) ?? {}, id }));
      }
    });
    mayGreet.then(() => send(GREETING));
  });
  await new Promise((resolve) => server.listen(socket, resolve));
  return () => {
    for (const client of clients) client.destroy();
    server.close();
  };
}
