/**
 * Files along with messages, through real sockets: interrupts and the twin socket. A helper process of Python does that.
 *
 * @module
 */
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { findPassingPython } from "../../src/live/file-passer.ts";
import {
  connectDevice,
  type ListeningDevice,
  listenForHosts,
  nodeTimers,
} from "../../src/live/vfio-user-socket.ts";
import { Machine } from "../../src/spapr/machine.ts";
import { DeviceHost } from "../../src/vfio-user/client/device-host.ts";
import { MailboxDma, MailboxRegister } from "../../src/vfio-user/devices/mailbox-dma.ts";
import { LIBVFIO_USER, SPECIFICATION } from "../../src/vfio-user/server/profile.ts";
import { ServerSession } from "../../src/vfio-user/server/session.ts";
import { sameBytes } from "../helpers/same.ts";
import { scratchFolder } from "../helpers/scratch.ts";

const folder = scratchFolder();
let count = 0;
let listening: ListeningDevice | undefined;
let hosts: DeviceHost[] = [];
const python = await findPassingPython().catch((error: Error) => error);
if (python instanceof Error) console.log(`NOT TESTED: files along with messages: ${python.message}`);

/** A mailbox behind a real socket, with its host; files can be passed on both sides, or on one of them. */
async function plug(profile = SPECIFICATION, server = true, client = true) {
  const socket = path.join(folder, `${count++}.sock`);
  let session: ServerSession | undefined;
  const serve = (channel: Parameters<Parameters<typeof listenForHosts>[1]>[0]): Promise<unknown> => {
    session = new ServerSession(channel, new MailboxDma({ timers: nodeTimers }), {
      ...profile,
      // Bytes come through the helper as they come.
      onePiece: false,
    });
    return session.closed;
  };
  listening = await listenForHosts(socket, serve, { passFiles: server });
  const signals: string[] = [];
  const channel = await connectDevice(socket, undefined, { passFiles: client });
  const host = await DeviceHost.plug(new Machine(), channel, {
    timers: nodeTimers,
    onInterrupt: (kind, vector, times) => signals.push(`${kind} ${vector} ${times}`),
  });
  hosts.push(host);
  await host.write(7, 4n, Uint8Array.of(6, 0));
  host.machine.call(0x20, 0x8000_0000n, 0n, 0x20_0003n);
  await host.settle();
  return { host, session: session!, signals };
}

const settled = async (done: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 500 && !done(); turn++) await new Promise((resolve) => setTimeout(resolve, 10));
};

export const PROFILES = [
  ["specification", SPECIFICATION],
  ["libvfio-user", LIBVFIO_USER],
] as const;

/** @param profiles of servers, of which each takes processes; the long run has all */
export function passFiles(profiles: readonly (typeof PROFILES)[number][]): void {
  afterEach(async () => {
    for (const host of hosts) host.unplug();
    hosts = [];
    await listening?.close();
    listening = undefined;
  });

  if (python instanceof Error) {
    it("says what it needs", () => {
      expect(python.message).toMatch(/^files \(interrupts, twin socket\) are passed by .* from 3\.10 on: /);
    });
  } else {
    describe.each(profiles)("files through a socket (%s)", (_, profile) => {
      it.each(["intx", "msi", "msix"] as const)(
        "interrupts come as often as they are raised (%s)",
        async (kind) => {
          const { host, session, signals } = await plug(profile);
          const vectors = await host.enableIrqs(kind);
          for (let vector = 0; vector < vectors; vector++) await session.raise(kind, vector);
          await settled(() => signals.length === vectors);
          expect(signals.sort()).toEqual(
            Array.from({ length: vectors }, (_, vector) => `${kind} ${vector} 1`),
          );
          await host.disableIrqs(["intx", "msi", "msix"].indexOf(kind));
          await expect(session.raise(kind)).rejects.toMatchObject({ errno: 2 });
        },
      );

      it("the twin socket carries DMA while commands go on", async () => {
        const { host, session } = await plug(profile);
        expect(host.client.hasTwinSocket).toBe(true);
        const data = Uint8Array.from({ length: 4096 }, (_, i) => (i * 11) & 0xff);
        for (let round = 0; round < 5; round++) {
          const reads = Array.from({ length: 5 }, () => host.read(0, BigInt(MailboxRegister.ID), 4));
          const dma = session.dmaWrite(0n, data).then(() => session.dmaRead(0n, 4096));
          const [read] = await Promise.all([dma, ...reads]);
          sameBytes(read, data);
        }
      });
    });

    it("a large write goes through the helper whole", async () => {
      const { host } = await plug();
      const data = Uint8Array.from({ length: 0x1_0000 }, (_, i) => (i * 5) & 0xff);
      await host.write(0, 0x1_0000n, data);
      sameBytes(await host.read(0, 0x1_0000n, 0x1_0000), data);
    });

    it("without files on one side there is no twin socket and no interrupt, and all else goes on", async () => {
      const plain = await plug(SPECIFICATION, false, true);
      expect(plain.host.client.hasTwinSocket).toBe(false);
      expect((await plain.session.dmaRead(0n, 16)).length).toBe(16);
      plain.host.unplug();
      await listening!.close();
      const other = await plug(SPECIFICATION, true, false);
      expect(other.host.client.hasTwinSocket).toBe(false);
      await expect(other.host.enableIrqs("intx")).rejects.toThrow("interrupts need files");
    });

    it("the end of either side is the end of both", async () => {
      const one = await plug();
      one.session.close();
      expect((await one.host.client.closed).message).toMatch(/closed the connection/);
      await listening!.close();
      const other = await plug();
      other.host.unplug();
      expect((await other.session.closed).code).toBe("PEER");
    });
  }

  it("a Python that is not there, or too old, is an error that says so", async () => {
    const before = process.env.PYTHON3;
    try {
      process.env.PYTHON3 = path.join(folder, "no-python");
      await expect(findPassingPython()).rejects.toThrow("no-python from 3.10 on: it is not installed");
      process.env.PYTHON3 = "false";
      await expect(
        listenForHosts(path.join(folder, "x"), async () => {}, { passFiles: true }),
      ).rejects.toMatchObject({
        code: "UNSUPPORTED",
      });
    } finally {
      if (before === undefined) delete process.env.PYTHON3;
      else process.env.PYTHON3 = before;
    }
  });
}
