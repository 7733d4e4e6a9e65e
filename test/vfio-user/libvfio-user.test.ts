/**
 * Behaviour of libvfio-user that was seen in runs of it (commit efd091b), played by our server: the stream stays in step, or
 * its end is reported.
 *
 * @module
 */
import { describe, expect, it } from "vitest";
import { MailboxRegister } from "../../src/vfio-user/devices/mailbox-dma.ts";
import { RefusedError } from "../../src/vfio-user/peer.ts";
import { HEADER_BYTES } from "../../src/vfio-user/protocol/layout.ts";
import { Command, encodeMessage, type Message } from "../../src/vfio-user/protocol/message.ts";
import { DmaAccess, RegionAccess, SetIrqs } from "../../src/vfio-user/protocol/payloads.ts";
import { versionFrame } from "../../src/vfio-user/protocol/version.ts";
import type { PciDeviceModel } from "../../src/vfio-user/server/device-model.ts";
import { LIBVFIO_USER, SPECIFICATION } from "../../src/vfio-user/server/profile.ts";
import { DELAY, PAGE, plugged, READ, WRITE } from "./plugged.ts";
import { map, RawClient, unmap } from "./raw-client.ts";

const EINVAL = 22;
const ENOENT = 2;
const EEXIST = 17;

describe("windows", () => {
  /** Each row: what is asked, what the specification answers, and what libvfio-user answers. */
  const ROWS: readonly [name: string, command: number, frame: Uint8Array, spec: number, lib: number][] = [
    ["a window", Command.DMA_MAP, map(0x1000n, 0x1000n), 0, 0],
    ["the same again", Command.DMA_MAP, map(0x1000n, 0x1000n), EEXIST, 0],
    ["with another permission", Command.DMA_MAP, map(0x1000n, 0x1000n, 1), EEXIST, EINVAL],
    ["with another offset", Command.DMA_MAP, map(0x1000n, 0x1000n, 3, 0x1000n), EEXIST, EINVAL],
    ["an overlap", Command.DMA_MAP, map(0n, 0x2000n), EEXIST, EINVAL],
    ["one byte at an odd address", Command.DMA_MAP, map(0x5001n, 1n), EINVAL, 0],
    ["no bytes", Command.DMA_MAP, map(0x6000n, 0n), EINVAL, 0],
    ["no permission", Command.DMA_MAP, map(0x7000n, 0x1000n, 0), 0, 0],
    ["a flag that needs a file", Command.DMA_MAP, map(0x8000n, 0x1000n, 7), EINVAL, EINVAL],
    ["8 TiB", Command.DMA_MAP, map(1n << 44n, 1n << 43n), 0, 0],
    ["more than 8 TiB", Command.DMA_MAP, map(1n << 46n, (1n << 43n) + 4096n), 0, 28],
    ["past the top", Command.DMA_MAP, map(0xffff_ffff_ffff_f000n, 0x2000n), EINVAL, EINVAL],
    ["an unmap of a part", Command.DMA_UNMAP, unmap(1n << 44n, 0x1000n), ENOENT, ENOENT],
    ["an unmap of nothing", Command.DMA_UNMAP, unmap(0x10_0000n, 0x1000n), ENOENT, ENOENT],
    ["an unmap with small argsz", Command.DMA_UNMAP, unmap(0x1000n, 0x1000n, 0, 23), EINVAL, EINVAL],
    ["an unmap with a bitmap", Command.DMA_UNMAP, unmap(0x1000n, 0x1000n, 1), EINVAL, EINVAL],
    ["an unmap", Command.DMA_UNMAP, unmap(0x1000n, 0x1000n), 0, 0],
    ["an unmap twice", Command.DMA_UNMAP, unmap(0x1000n, 0x1000n), ENOENT, ENOENT],
    ["an unmap of all with an address", Command.DMA_UNMAP, unmap(0x1000n, 0n, 2), EINVAL, EINVAL],
    ["an unmap of all", Command.DMA_UNMAP, unmap(0n, 0n, 2), 0, 0],
  ];

  it.each([
    ["specification", SPECIFICATION, 3],
    ["libvfio-user", LIBVFIO_USER, 4],
  ] as const)("are answered as %s does", async (_, profile, column) => {
    const client = await RawClient.negotiated(profile);
    for (const row of ROWS) expect(await client.errnoOf(row[1], row[2]), row[0]).toBe(row[column]);
    expect(client.session.windows).toEqual([]);
  });

  it("are repeated by the reply to DMA_UNMAP, with argsz as it was asked", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    await client.ask(Command.DMA_MAP, map(0x1000n, 0x1000n).subarray(HEADER_BYTES));
    const request = unmap(0x1000n, 0x1000n, 0, 1000).subarray(HEADER_BYTES);
    expect((await client.ask(Command.DMA_UNMAP, request))[0]?.body).toEqual(request);
  });
});

describe("the first words", () => {
  it.each<[string, number, Uint8Array]>([
    ["another command", Command.DEVICE_RESET, new Uint8Array(0)],
    ["VERSION that is no JSON", Command.VERSION, Uint8Array.of(0, 0, 2, 0, 0x7b, 0)],
    ["VERSION of another major", Command.VERSION, Uint8Array.of(1, 0, 0, 0)],
  ])("%s: EINVAL, and the end", async (_, command, body) => {
    const client = new RawClient(LIBVFIO_USER);
    expect(await client.ask(command, body)).toMatchObject([{ errno: EINVAL, flags: 0x21 }]);
    expect(client.end).toBe("the other side closed the connection");
  });

  it("a reply: the end, without a word", async () => {
    const client = new RawClient(LIBVFIO_USER);
    expect(await client.ask(Command.VERSION, versionFrame(2, {}).subarray(HEADER_BYTES), 1)).toEqual([]);
    expect(client.end).toBeDefined();
  });

  it.each([
    [0, 0],
    [2, 2],
    [65_535, 2],
  ])("minor version %i is answered %i", async (asked, answered) => {
    const client = new RawClient(LIBVFIO_USER);
    const [reply] = await client.ask(Command.VERSION, versionFrame(asked, {}).subarray(HEADER_BYTES));
    expect(reply?.body[2]).toBe(answered);
  });

  it("VERSION for the second time: EINVAL, and on it goes; it is answered also if nobody wants that", async () => {
    const client = new RawClient(LIBVFIO_USER);
    const body = versionFrame(2, {}).subarray(HEADER_BYTES);
    expect(await client.ask(Command.VERSION, body, 0x10)).toMatchObject([{ errno: 0 }]);
    expect(await client.ask(Command.VERSION, body)).toMatchObject([{ errno: EINVAL }]);
    expect(await client.errnoOf(Command.DMA_MAP, map(0n, 0x1000n))).toBe(0);
  });
});

describe("headers and bodies", () => {
  const reset = encodeMessage({
    id: 7,
    command: Command.DEVICE_RESET,
    flags: 0,
    errno: 0,
    body: new Uint8Array(0),
  });
  const sized = (size: number): Uint8Array => {
    const bytes = reset.slice();
    new DataView(bytes.buffer).setUint32(4, size, true);
    return bytes;
  };

  it.each([0, 15])("a size of %i is refused, and the stream stays in step", async (size) => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    expect(await client.say(sized(size), reset)).toMatchObject([
      { id: 7, errno: EINVAL },
      { id: 7, errno: 0, flags: 1 },
    ]);
  });

  it("an unknown type is refused, and its body is read as the next header", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    const body = reset.slice();
    const replies = await client.say(encodeMessage({ id: 9, command: 9, flags: 5, errno: 0, body }));
    expect(replies).toMatchObject([
      { id: 9, errno: EINVAL },
      { id: 7, command: Command.DEVICE_RESET, errno: 0 },
    ]);
  });

  it("error bit, errno and unknown flags of a command are nothing", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    expect(
      await client.say(
        encodeMessage({ id: 7, command: 13, flags: 0xff20, errno: 5, body: new Uint8Array(0) }),
      ),
    ).toMatchObject([{ errno: 0, flags: 1 }]);
  });

  it("a header in two pieces ends the connection", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    expect(await client.say(reset.subarray(0, 4), reset.subarray(4))).toEqual([]);
    expect((await client.session.closed).message).toMatch("more than one piece");
  });

  it("a body in two pieces is refused, and the rest is garbage; cut at the header it is fine", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    const write = client.frame(Command.DMA_MAP, map(0n, 0x1000n).subarray(HEADER_BYTES));
    expect(await client.say(write.subarray(0, 20), write.subarray(20))).toMatchObject([
      { errno: EINVAL, command: Command.DMA_MAP },
      { errno: EINVAL },
    ]);
  });

  it("commands without a payload are EINVAL, and so are those that nobody knows", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    for (const command of [2, 3, 4, 5, 7, 8, 9, 10, 14, 15, 16, 17, 18, 19, 500]) {
      expect(await client.ask(command, new Uint8Array(0)), String(command)).toMatchObject([
        { errno: EINVAL },
      ]);
    }
  });

  it("no-reply is silent, whatever comes of it", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    const read = RegionAccess.frame({ offset: 0n, region: 0, count: 4 }).subarray(HEADER_BYTES);
    expect(await client.ask(Command.REGION_READ, read, 0x10)).toEqual([]);
    expect(await client.ask(Command.DMA_UNMAP, unmap(0n, 1n).subarray(HEADER_BYTES), 0x10)).toEqual([]);
    expect(await client.ask(Command.REGION_READ, read)).toMatchObject([{ errno: 0 }]);
  });
});

describe("region accesses", () => {
  const access = (region: number, offset: bigint, count: number): Uint8Array =>
    RegionAccess.frame({ offset, region, count });

  it("of no bytes are answered by the bare header, also at the very end and of no region", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    for (const [region, offset] of [
      [0, 0n],
      [0, 0x2_0000n],
      [3, 0n],
    ] as const) {
      const [reply] = await client.ask(Command.REGION_READ, access(region, offset, 0).subarray(HEADER_BYTES));
      expect(reply).toMatchObject({ errno: 0, body: new Uint8Array(0) });
    }
    expect(await client.errnoOf(Command.REGION_READ, access(0, 0x2_0001n, 0))).toBe(EINVAL);
    expect(await client.errnoOf(Command.REGION_READ, access(0, 0x1_ffffn, 2))).toBe(EINVAL);
    expect(await client.errnoOf(Command.REGION_READ, access(9, 0n, 1))).toBe(EINVAL);
  });

  it("that the device refuses are answered with a body, and the client stays in step", async () => {
    const bar = {
      size: 4096,
      read: () => {
        throw new RefusedError(5, "broken");
      },
      write: () => {
        throw new Error("a mistake");
      },
    };
    const device: PciDeviceModel = { name: "broken", vendor: 1, device: 2, bars: [bar], attach: () => {} };
    const { host, wire } = await plugged({ device, profile: LIBVFIO_USER });
    wire.length = 0;
    await expect(host.read(0, 0n, 4)).rejects.toMatchObject({ code: "REFUSED", errno: 5 });
    await expect(host.write(0, 0n, Uint8Array.of(1))).rejects.toMatchObject({ errno: EINVAL });
    await expect(host.write(7, 0n, Uint8Array.of(1))).rejects.toMatchObject({ errno: EINVAL });
    expect(wire.filter(({ from }) => from === "server").map(({ bytes }) => bytes.length)).toEqual([
      36, 32, 32,
    ]);
    expect(await host.read(7, 0n, 2)).toEqual(Uint8Array.of(1, 0));
  });

  it("of configuration space go by their offset alone, and a BAR that is not there looks like one of ports", async () => {
    const { host } = await plugged({ profile: LIBVFIO_USER });
    for (const offset of [0n, 0x2cn, 0x28n, 0x60n]) {
      await expect(host.write(7, offset, Uint8Array.of(1)), String(offset)).rejects.toMatchObject({
        errno: EINVAL,
      });
    }
    for (const offset of [0xcn, 0x30n, 0x3cn]) await host.write(7, offset, Uint8Array.of(1));
    await host.write(7, 0x14n, Uint8Array.of(0xff, 0xff, 0xff, 0xff));
    expect(await host.read(7, 0x14n, 4)).toEqual(Uint8Array.of(1, 0, 0, 0));
  });
});

it("DEVICE_SET_IRQS: what is wrong is refused, and without files there is little that is right", async () => {
  const plain = { name: "plain", vendor: 1, device: 2, bars: [], msiVectors: 1, attach: () => {} };
  const client = await RawClient.negotiated(LIBVFIO_USER, plain);
  const set = async (flags: number, index: number, start: number, count: number, data = 0): Promise<number> =>
    await client.errnoOf(
      Command.DEVICE_SET_IRQS,
      SetIrqs.frame({ argsz: 20 + data, flags, index, start, count }, new Uint8Array(data)),
    );
  expect(await set(0x21, 1, 0, 0)).toBe(0);
  expect(await set(0x21, 3, 0, 0)).toBe(0);
  expect(await set(0x21, 2, 0, 0)).toBe(EINVAL);
  expect(await set(0x24, 1, 0, 1)).toBe(0);
  expect(await set(0x22, 1, 0, 1, 1)).toBe(0);
  expect(await set(0x22, 1, 0, 1, 2)).toBe(EINVAL);
  expect(await set(0x21, 1, 1, 1)).toBe(EINVAL);
  expect(await set(0x21, 1, 0, 2)).toBe(EINVAL);
  expect(await set(0x09, 3, 0, 1)).toBe(EINVAL);
  for (const flags of [0x23, 0x29, 0x20, 0x01, 0x121])
    expect(await set(flags, 1, 0, 1), String(flags)).toBe(EINVAL);
});

describe("DMA", () => {
  it("arrives for a window that may only be written, and is refused by the client", async () => {
    const { put, setCommand, transfer, refused, register } = await plugged({ profile: LIBVFIO_USER });
    await setCommand(4);
    await put(0n, 0x20_0002n);
    await transfer(READ, 0n, 8);
    expect(refused()).toMatchObject([{ refusal: "write-only", errno: 13 }]);
    expect(await register(MailboxRegister.ERRNO)).toBe(13);
  });

  it("goes on with the bus master bit off, and is refused by the client", async () => {
    const { put, session, refused } = await plugged({ profile: LIBVFIO_USER });
    await put(0n, 0x20_0003n);
    await expect(session.dmaRead(0n, 8)).rejects.toMatchObject({ errno: 13 });
    expect(refused()).toMatchObject([{ refusal: "bus-master-off" }]);
  });

  it("may come after the reply to DMA_UNMAP, also when something else is mapped there meanwhile", async () => {
    const { put, setCommand, session, refused, setMemory, machine } = await plugged({
      profile: LIBVFIO_USER,
    });
    await setCommand(4);
    await put(0n, 0x20_0003n);
    await put(0n, 0n);
    await expect(session.uncheckedRead(0n, 8)).rejects.toMatchObject({ errno: 14 });
    expect(refused().at(-1)?.refusal).toBe("stale");
    // Now read-only: the device still writes.
    await put(0n, 0x30_0001n);
    await expect(session.uncheckedWrite(0n, new Uint8Array(8))).rejects.toMatchObject({ errno: 13 });
    // Another page: the IOMMU permits it, and so do we.
    setMemory(0x30_0000n, Uint8Array.of(5));
    expect((await session.uncheckedRead(0n, 1))[0]).toBe(5);
    expect(machine.systemMemory.name).toBe("memory");
  });

  it("longer than agreed comes in pieces of that size", async () => {
    const { put, setCommand, session, dma, host } = await plugged({
      profile: { ...LIBVFIO_USER, oneWindowPerTransfer: false },
    });
    await setCommand(4);
    for (let page = 0n; page < 40n; page++) await put(page * PAGE, 0x20_0003n + page * PAGE);
    await session.dmaRead(0x10n, 0x1_8000);
    expect(dma.map(({ address, bytes }) => [Number(address), bytes])).toEqual([
      [0x10, 0x1_0000],
      [0x1_0010, 0x8000],
    ]);
    expect(host.client.maxTransfer).toBe(0x1_0000);
  });

  it("of no bytes never reaches the wire", async () => {
    const { session, dma } = await plugged({ profile: LIBVFIO_USER });
    await expect(session.dmaRead(0n, 0)).rejects.toMatchObject({ errno: 95 });
    expect(dma).toEqual([]);
  });
});

describe("replies to DMA messages", () => {
  const ready = async (): Promise<{ client: RawClient; dma: (bytes: number) => Promise<string> }> => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    await client.ask(Command.DMA_MAP, map(0n, 0x1000n).subarray(HEADER_BYTES));
    client.received.length = 0;
    const dma = async (bytes: number): Promise<string> =>
      await client.session.dmaRead(0n, bytes).then(
        (data) => `${data.length} bytes`,
        (error: Error) => error.message,
      );
    return { client, dma };
  };
  const reply = (id: number, body: Uint8Array, more: Partial<Message> = {}): Uint8Array =>
    encodeMessage({ id, command: Command.DMA_READ, flags: 1, errno: 0, body, ...more });
  const data = (count: bigint, bytes: number, address = 0n): Uint8Array =>
    DmaAccess.frame({ address, count }, new Uint8Array(bytes)).subarray(HEADER_BYTES);

  it.each([
    ["as asked", data(8n, 8), {}, "8 bytes", false],
    ["an error of 0", new Uint8Array(0), { flags: 0x21 }, "DMA_READ: EINVAL", false],
    ["an error of 4096", new Uint8Array(0), { flags: 0x21, errno: 4096 }, "DMA_READ: errno 4096", false],
    ["an error of 4097", new Uint8Array(0), { flags: 0x21, errno: 4097 }, "DMA_READ: EINVAL", false],
    ["EACCES", new Uint8Array(0), { flags: 0x21, errno: 13 }, "DMA_READ: EACCES", false],
    [
      "without a body",
      new Uint8Array(0),
      {},
      "reply to DMA_READ at 0x0000000000000000 is empty: EINVAL",
      false,
    ],
    ["for another address", data(8n, 8, 1n), {}, "is for 8 bytes at 0x0000000000000001: EINVAL", false],
    ["with fewer bytes", data(4n, 4), {}, "has 20 bytes: 24 expected", true],
  ])("%s", async (_, body, more, expected, ends) => {
    const { client, dma } = await ready();
    const done = dma(8);
    await client.turn();
    const [{ id }] = client.received as [Message];
    await client.say(reply(id, body, more));
    expect(await done).toContain(expected);
    await client.turn();
    expect(client.end !== undefined).toBe(ends);
  });

  it("may come in pieces behind the header, and as late as they like", async () => {
    const { client, dma } = await ready();
    const done = dma(8);
    await client.turn();
    const bytes = reply(client.received[0]!.id, data(8n, 8));
    await client.say(bytes.subarray(0, 20));
    await client.say(bytes.subarray(20));
    expect(await done).toBe("8 bytes");
  });

  it("of another id: the device hears EPROTO, the connection stays", async () => {
    const { client, dma } = await ready();
    const done = dma(8);
    await client.turn();
    await client.say(reply(client.received[0]!.id + 1, new Uint8Array(0), { flags: 0x21, errno: 5 }));
    expect(await done).toContain("EPROTO");
    expect(client.end).toBe(undefined);
  });
});

describe("collisions", () => {
  it("RESET that meets DMA is eaten, and the reply that is owed comes back as an error", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    await client.ask(Command.DMA_MAP, map(0n, 0x1000n).subarray(HEADER_BYTES));
    client.received.length = 0;
    const done = client.session.dmaRead(0n, 8).catch((error: Error) => error.message);
    await client.turn();
    const { id } = client.received[0]!;
    expect(await client.ask(Command.DEVICE_RESET, new Uint8Array(0))).toEqual([]);
    expect(await done).toContain("EPROTO");
    expect(
      await client.say(encodeMessage({ id, command: 11, flags: 1, errno: 0, body: new Uint8Array(0) })),
    ).toMatchObject([{ id, command: Command.DMA_READ, errno: EINVAL, flags: 0x21 }]);
  });

  it("UNMAP that meets DMA gives an error reply of id 0x18 and command 0", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    await client.ask(Command.DMA_MAP, map(0n, 0x1000n).subarray(HEADER_BYTES));
    const done = client.session.dmaRead(0n, 8).catch((error: Error) => error.message);
    const replies = await client.ask(Command.DMA_UNMAP, unmap(0n, 0x1000n).subarray(HEADER_BYTES));
    expect(await done).toContain("EPROTO");
    expect(replies.at(-1)).toMatchObject({ id: 0x18, command: 0, errno: EINVAL });
  });

  it("a client with one command at a time meets none, as long as DMA belongs to commands", async () => {
    const { put, setCommand, transfer, register, host } = await plugged({ profile: LIBVFIO_USER });
    await setCommand(4);
    await put(0n, 0x20_0003n);
    for (let round = 0; round < 100; round++) {
      const done = [transfer(READ, 0n, 64), transfer(WRITE, 0n, 64), register(MailboxRegister.DONE)];
      const [, , count] = await Promise.all(done);
      expect(count).toBe(2 * round + 2);
    }
    expect(host.client.end).toBe(undefined);
  });

  it("DMA that a device starts by itself collides with a command: lost sync or silence, and both are reported", async () => {
    const { put, setCommand, register, host, session } = await plugged({
      profile: LIBVFIO_USER,
      host: { timeout: 200 },
    });
    await setCommand(4);
    await put(0n, 0x20_0003n);
    // The command is on its way when the device begins.
    const command = register(MailboxRegister.DONE);
    const dma = session.dmaRead(0n, 64);
    await expect(dma).rejects.toMatchObject({ errno: 71 });
    await expect(command).rejects.toMatchObject({ code: "PEER" });
    expect(host.client.end?.message).toMatch(/lost sync|no reply to|says it has|closed the connection/);
    await expect(host.settle()).rejects.toMatchObject({ code: "PEER" });
  });

  it("and with a server that multiplexes there is no collision", async () => {
    const { put, setCommand, transfer, setRegister, register, host } = await plugged({
      profile: SPECIFICATION,
      mode: "pipelined",
    });
    await setCommand(4);
    await put(0n, 0x20_0003n);
    await setRegister(MailboxRegister.DELAY, 0);
    for (let done = 0; done < 5; ) {
      await transfer(READ | DELAY, 0n, 64);
      await Promise.all(Array.from({ length: 20 }, () => register(MailboxRegister.DONE)));
      await new Promise((resolve) => setTimeout(resolve, 2));
      done = await register(MailboxRegister.DONE);
    }
    expect(host.client.end).toBe(undefined);
  });
});

describe("a device that comes to rest", () => {
  const resting = (quiesce: () => void | Promise<void>): PciDeviceModel => ({
    name: "resting",
    vendor: 1,
    device: 2,
    bars: [],
    attach: () => {},
    quiesce,
  });
  const later = async (): Promise<void> => await new Promise((resolve) => setTimeout(resolve, 20));

  it("delays MAP, UNMAP and RESET, and nothing is lost", async () => {
    let count = 0;
    const device = resting(async () => {
      count++;
      await later();
    });
    const { put, host, wire } = await plugged({ profile: LIBVFIO_USER, device });
    await put(0n, 0x20_0003n);
    await put(0n, 0n);
    await host.reset();
    expect(count).toBe(3);
    expect(wire.length).toBeGreaterThan(0);
  });

  it("and refuses at once: an errno, which is a divergence and no success", async () => {
    const device = resting(() => {
      throw new RefusedError(16, "not now");
    });
    const { put, host, divergences } = await plugged({ profile: LIBVFIO_USER, device });
    await put(0n, 0x20_0003n);
    expect(divergences).toMatchObject([{ command: "DMA_MAP", first: 0n, last: 0xfffn, errno: 16 }]);
    expect(host.windows).toEqual([]);
    // The guest takes back what the device never had: nothing to tell.
    await put(0n, 0n);
    expect(divergences.length).toBe(1);
  });

  it("and fails after a while: no reply for ever, which ends by time", async () => {
    const device = resting(async () => {
      await later();
      throw new RefusedError(5, "failed");
    });
    const { put } = await plugged({ profile: LIBVFIO_USER, device, host: { timeout: 100 } });
    await expect(put(0n, 0x20_0003n)).rejects.toThrow("no reply to DMA_MAP within 100 ms");
  });
});
