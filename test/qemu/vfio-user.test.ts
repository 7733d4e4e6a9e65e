import path from "node:path";
import { expect, it } from "vitest";
import { parseOpScript } from "../../src/formats/op-script/script.ts";
import { findQemu } from "../../src/live/qemu-program.ts";
import { listenForHosts } from "../../src/live/vfio-user-socket.ts";
import { runOpScript } from "../../src/script/op/run.ts";
import type { DmaMessage } from "../../src/vfio/vfio-user-container.ts";
import { ProbeDevice, type ProbeEvent } from "../../src/vfio-user/devices/probe.ts";
import { LIBVFIO_USER } from "../../src/vfio-user/server/profile.ts";
import { ServerSession } from "../../src/vfio-user/server/session.ts";
import { RunningQemu } from "./running-qemu.ts";
import { until } from "./until.ts";

const put = (ioba: number, tce: number): object => ({
  op: "h_put_tce",
  liobn: "0x80000000",
  ioba: `0x${ioba.toString(16)}`,
  tce: `0x${tce.toString(16)}`,
});
const stuff = (ioba: number, tce: number, npages: number): object => ({
  ...put(ioba, tce),
  op: "h_stuff_tce",
  npages,
});
/** ibm,write-pci-config of the COMMAND register of slot 3: memory and bus master. */
const BUS_MASTER = { op: "rtas", token: "0x2017", args: [0x1804, 0x0800_0000, 0x2000_0000, 2, 6], nret: 1 };

/** What the guest does; what is wrong with some of it is its own business. */
const CALLS: readonly object[] = [
  put(0x1_1000, 0x100_1001),
  put(0x1_2000, 0x100_2002),
  put(0x1_3000, 0x100_3003),
  // Replaced by another page, by another permission, by the same.
  put(0x1_3000, 0x100_4003),
  put(0x1_1000, 0x100_1003),
  put(0x1_2000, 0x100_2002),
  put(0x1_2000, 0),
  // Not mapped, unaligned, no memory, outside of the window.
  put(0x1_5000, 0),
  put(0x1_6123, 0x100_6003),
  put(0x1_7000, 0x7000_0000_0003),
  put(0x7000_0000, 0x100_1003),
  stuff(0x2_0000, 0x200_0003, 5),
  stuff(0x2_1000, 0, 3),
  stuff(0x2_0000, 0, 5),
  put(0x3_0000, 0x30_0003),
];

const text = (header: object, lines: readonly object[]): string =>
  [{ header: 1, ...header }, ...lines].map((line) => JSON.stringify(line)).join("\n");

it("a device in TypeScript runs in a real pSeries QEMU: what it is told is what the engine says, and DMA goes both ways", async () => {
  const events: ProbeEvent[] = [];
  let session: ServerSession | undefined;
  const script = parseOpScript(text({}, [BUS_MASTER, ...CALLS]), "vfio-user.jsonl");
  const qemu = await RunningQemu.start(script, { gates: [0, 1] });
  const socket = path.join(qemu.folder, "device");
  // Through a socket of Node a message comes in pieces that the library's own reads do not see.
  const profile = { ...LIBVFIO_USER, onePiece: false };
  const listening = await listenForHosts(socket, (channel) => {
    session = new ServerSession(channel, new ProbeDevice((event) => events.push(event)), profile);
    return session.closed;
  });
  try {
    await qemu.atGate();
    const monitor = await qemu.monitor();
    const plugged = {
      driver: "vfio-user-pci",
      id: "d0",
      bus: "pci.0",
      addr: "3",
      socket: { type: "unix", path: socket },
    };
    await monitor.execute("device_add", plugged);
    qemu.openGate();
    await qemu.atGate();
    expect(session?.busMaster, qemu.stderr).toBe(true);
    events.length = 0;
    qemu.openGate();
    await qemu.atGate();
    const device = { op: "device_add", id: "d0", slot: 3, server: "strict" };
    const { version } = await findQemu();
    const model = parseOpScript(text({ vfioUser: {}, qemu: version }, [device, ...CALLS]), "model.jsonl");
    const expected = runOpScript(model, { profile: "qemu-11.1" })
      .flatMap((result) => result.vfioUser as DmaMessage[])
      .filter(({ errno }) => errno === undefined);
    await until(
      () => events.length >= expected.length,
      () => `${JSON.stringify(events)}\n${JSON.stringify(expected)}\n${qemu.stderr}`,
      5,
    );
    const shown = ({ msg, iova, size }: { msg: string; iova?: string; size?: string }): string =>
      `${msg} ${iova} ${size}`;
    expect(events.map(shown)).toEqual(expected.map(shown));
    const prots = <T extends { msg: string; prot?: number }>(all: readonly T[]): unknown[] =>
      all.flatMap(({ msg, prot }) => (msg === "DMA_MAP" ? [prot] : []));
    expect(prots(events as { msg: string; prot?: number }[])).toEqual(prots(expected));

    // The guest's memory through its IOMMU, both ways; what it does not permit is refused by QEMU.
    const data = Uint8Array.from({ length: 4096 }, (_, i) => (i * 5 + 1) & 0xff);
    await session!.dmaWrite(0x3_0000n, data);
    expect(await session!.dmaRead(0x3_0000n, 4096)).toEqual(data);
    await expect(session!.uncheckedRead(0x1_5000n, 8)).rejects.toMatchObject({ errno: 19 });
    await expect(session!.uncheckedWrite(0x2_0000n, data)).rejects.toMatchObject({ errno: 19 });
    expect(qemu.child.exitCode).toBe(null);
    monitor.close();
  } finally {
    await qemu.stop();
    await listening.close();
  }
});
