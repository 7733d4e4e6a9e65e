import path from "node:path";
import { afterEach, expect, it } from "vitest";
import {
  connectDevice,
  type ListeningDevice,
  listenForHosts,
  nodeTimers,
} from "../../src/live/vfio-user-socket.ts";
import { Machine } from "../../src/spapr/machine.ts";
import { DeviceHost } from "../../src/vfio-user/client/device-host.ts";
import { MAILBOX_BUFFER, MailboxRegister } from "../../src/vfio-user/devices/mailbox-dma.ts";
import { serveMailbox } from "../../src/vfio-user/devices/serve-mailbox.ts";
import { LIBVFIO_USER, type ServerProfile, SPECIFICATION } from "../../src/vfio-user/server/profile.ts";
import { cli } from "../cli/cli.ts";
import { sameBytes } from "../helpers/same.ts";
import { scratchFolder } from "../helpers/scratch.ts";

const folder = scratchFolder();
let count = 0;
let listening: ListeningDevice | undefined;
afterEach(async () => {
  await listening?.close();
  listening = undefined;
});

async function listen(profile: ServerProfile): Promise<string> {
  const socket = path.join(folder, `${count++}.sock`);
  listening = await listenForHosts(
    socket,
    (channel) => serveMailbox(channel, { profile, timers: nodeTimers }).closed,
  );
  return socket;
}

const plug = async (socket: string, mode: "single" | "pipelined"): Promise<DeviceHost> =>
  await DeviceHost.plug(new Machine(), await connectDevice(socket), { mode, timers: nodeTimers });

it.each([
  ["specification", SPECIFICATION, "pipelined"],
  ["specification", SPECIFICATION, "single"],
  // Large messages come through a socket in pieces, which libvfio-user's own read does not see.
  ["libvfio-user", { ...LIBVFIO_USER, onePiece: false }, "single"],
] as const)("a device behind a socket moves bytes (%s)", async (_, profile, mode) => {
  const host = await plug(await listen(profile), mode);
  const { machine } = host;
  await host.write(7, 4n, Uint8Array.of(6, 0));
  for (let page = 0; page < 16; page++)
    machine.call(0x20, 0x8000_0000n, BigInt(page * 4096), BigInt(0x20_0003 + page * 4096));
  await host.settle();
  expect(host.windows.length).toBe(16);
  const data = Uint8Array.from({ length: 0x1_0000 }, (_, i) => (i * 13) & 0xff);
  await host.write(0, BigInt(MAILBOX_BUFFER.offset), data);
  for (let page = 0; page < 16; page++) {
    const transfer = new Uint8Array(20);
    const view = new DataView(transfer.buffer);
    view.setBigUint64(0, BigInt(page * 4096), true);
    view.setUint32(8, 4096, true);
    view.setUint32(12, page * 4096, true);
    view.setUint32(16, 2, true);
    await host.write(0, BigInt(MailboxRegister.ADDRESS), transfer);
  }
  const written = new Uint8Array(0x1_0000);
  machine.systemMemory.read(0x20_0000n, written, null);
  sameBytes(written, data);
  sameBytes(await host.read(0, BigInt(MAILBOX_BUFFER.offset), 0x1_0000), data);
  host.unplug();
});

it("a second host waits until the first has left", async () => {
  const socket = await listen(SPECIFICATION);
  const first = await plug(socket, "single");
  let isServed = false;
  const second = plug(socket, "single").then((host) => {
    isServed = true;
    return host;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(isServed).toBe(false);
  first.unplug();
  (await second).unplug();
});

it("a device that goes away is an end with a reason, for what waits and what comes", async () => {
  const host = await plug(await listen(SPECIFICATION), "single");
  const closing = listening!.close();
  expect((await host.client.closed).message).toMatch(
    /^device: (?:the other side closed the connection|ECONNRESET)/,
  );
  await closing;
  await expect(host.read(7, 0n, 4)).rejects.toMatchObject({ code: "PEER" });
  host.machine.call(0x20, 0x8000_0000n, 0n, 0x20_0003n);
  await expect(host.settle()).rejects.toMatchObject({ code: "PEER" });
  host.unplug();
});

it("a server that was just started is waited for, and one that refused us and left is an error", async () => {
  const socket = path.join(folder, `${count++}.sock`);
  const connected = connectDevice(socket);
  await new Promise((resolve) => setTimeout(resolve, 60));
  // One that takes no VERSION of ours, and goes away with it, as sample servers do.
  listening = await listenForHosts(socket, (channel) => {
    channel.onBytes = () => {
      channel.close();
      void listening!.close();
    };
    return new Promise((resolve) => {
      channel.onClosed = resolve;
    });
  });
  await expect(DeviceHost.plug(new Machine(), await connected)).rejects.toMatchObject({ code: "PEER" });
  await expect(connectDevice(socket)).rejects.toThrow(
    /(?:ENOENT|ECONNREFUSED): no vfio-user server listens there/,
  );
});

it("an end that a device cannot make is an error of one line", async () => {
  await expect(listenForHosts(path.join(folder, "no/where.sock"), () => Promise.resolve())).rejects.toThrow(
    /cannot listen: (?:ENOENT|EACCES)/,
  );
  await expect(connectDevice(path.join(folder, "nobody.sock"))).rejects.toThrow(
    "ENOENT: no vfio-user server listens there",
  );
});

it.each([
  [["device"], /which device\?/],
  [["device", "x.sock", "--sample"], /which device\?/],
  [["device", "x.sock", "--mistake", "short-reply"], /add --sample/],
  [["device", "--sample", "--fuzz", "--script", "x"], /name one of them/],
  [["device", "--sample", "--registers", "x"], /--registers is for --fuzz/],
  [["probe", "x.sock", "--mistake", "short-reply"], /--mistake is for --device mailbox-dma/],
])("%j is refused", async (args, message) => {
  const { status, stderr } = await cli(args);
  expect(status).toBe(1);
  expect(stderr).toMatch(message);
});

it.each([
  ["", /stdin: no JSON/],
  ["[]", /stdin: the description is \[\]: expected an object/],
  ['{"adress":{}}', /unknown member "adress" of the description: there are region, address/],
  ['{"address":{"offset":0,"bytes":3}}', /length is nothing: expected an object/],
  [
    '{"address":{"offset":0,"bytes":3},"length":{},"command":{}}',
    /address.bytes is 3: expected 1, 2, 4 or 8/,
  ],
  [
    '{"address":{"offset":"0x8","bytes":8},"length":{"offset":16,"bytes":4,"max":0},"command":{}}',
    /length.max is 0/,
  ],
  [
    '{"address":{"offset":"0x8","bytes":8},"length":{"offset":16,"bytes":4,"max":1},"command":{"offset":1,"bytes":1,"values":[]}}',
    /command.values is \[\]: expected a list/,
  ],
])("registers that are none are refused: %s", async (text, message) => {
  const { status, stderr } = await cli(["device", "--sample", "--fuzz", "--registers", "-"], text);
  expect(status).toBe(1);
  expect(stderr).toMatch(message);
});

it("an op script without a device, and a device script without one, say what they need", async () => {
  const read = '{"header":1}\n{"op":"vfio_user_read","region":0,"offset":"0x0","len":4}\n';
  expect((await cli(["exec", "-"], read)).stderr).toMatch(
    /"vfio_user_read" needs a device: run the script by spapr-iommu device/,
  );
  const misspelt = read.replace("region", "regoin");
  expect((await cli(["device", "--sample", "--script", "-"], misspelt)).stderr).toMatch(
    /stdin:2:\d+: unknown member "regoin"/,
  );
  const recorded = '{"header":1,"vfioUser":{}}\n';
  expect((await cli(["device", "--sample", "--script", "-"], recorded)).stderr).toMatch(
    /a script for a device has none/,
  );
});
