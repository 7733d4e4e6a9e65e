/**
 * Replies of real servers that a client can meet and our own server does not give, and replies that no server should give.
 *
 * @module
 */
import { describe, expect, it } from "vitest";
import { VfioUserClient } from "../../src/vfio-user/client/client.ts";
import { memoryChannels } from "../../src/vfio-user/memory-channel.ts";
import type { PassedFile } from "../../src/vfio-user/protocol/channel.ts";
import { HEADER_BYTES } from "../../src/vfio-user/protocol/layout.ts";
import { Command, encodeMessage, isReply, kept, type Message } from "../../src/vfio-user/protocol/message.ts";
import { bodyBySize, MessageReader } from "../../src/vfio-user/protocol/message-reader.ts";
import {
  DeviceFeature,
  DmaUnmap,
  MigrationData,
  RegionAccess,
  RegionInfo,
} from "../../src/vfio-user/protocol/payloads.ts";
import { versionFrame } from "../../src/vfio-user/protocol/version.ts";
import { GOLDEN } from "./golden-frames.ts";

const REPLY = 1;
const ERROR = 0x21;

type Answer = Partial<Message> | undefined;

/** A client of a server that answers as it is told, and what the server received. */
function scripted(answer: (message: Message) => Answer, passesFiles = false) {
  const [client, server] = memoryChannels(passesFiles);
  const reader = new MessageReader(bodyBySize(2 ** 20));
  const received: Message[] = [];
  server.onBytes = (bytes) => {
    reader.push(bytes);
    for (let message = reader.next(); message !== undefined; message = reader.next()) {
      received.push(kept(message));
      if (isReply(message)) continue;
      const { id, command } = message;
      const reply = answer(message);
      const whole = { id, command, flags: REPLY, errno: 0, body: new Uint8Array(0), ...reply };
      if (reply !== undefined) server.send(encodeMessage(whole));
    }
  };
  return { client: new VfioUserClient(client), received, server };
}

const body = (frame: Uint8Array): Uint8Array => frame.subarray(HEADER_BYTES);

describe("replies of real servers", () => {
  it("DMA_UNMAP of a device without DMA: the bare header", async () => {
    const { client } = scripted(() => ({}));
    await client.dmaUnmap({ first: 0n, last: 0xfffn });
    expect(client.end).toBe(undefined);
  });

  it("VERSION of libvfio-user and of QEMU", async () => {
    const { client } = scripted(() => ({ body: body(GOLDEN["VERSION of the sample server"]!) }));
    expect(await client.negotiate()).toEqual({ major: 0, minor: 2 });
    expect(client.device).toMatchObject({ maxMsgFds: 8, maxDataXferSize: 2 ** 20, maxDmaMaps: 65_535 });
    expect(client.maxTransfer).toBe(65_536);
  });

  it("DEVICE_GET_REGION_INFO with capabilities, and with zeros in their place", async () => {
    const whole = body(GOLDEN["reply to DEVICE_GET_REGION_INFO of BAR1"]!);
    expect((await scripted(() => ({ body: whole })).client.regionInfo(1)).areas).toHaveLength(2);
    const short = RegionInfo.frame(
      { argsz: 80, flags: 7, index: 1, capOffset: 0, size: 0x3000n, offset: 0n },
      new Uint8Array(31),
    );
    expect((await scripted(() => ({ body: body(short) })).client.regionInfo(1)).areas).toEqual([]);
  });

  it("an error reply with a body is an error, and the next reply is found behind it", async () => {
    let count = 0;
    const { client } = scripted(({ body: asked }) =>
      count++ === 0
        ? { flags: ERROR, errno: 22, body: new Uint8Array(20) }
        : { body: Uint8Array.from([...asked, 1, 2, 3, 4]) },
    );
    await expect(client.regionRead(0, 0n, 4)).rejects.toMatchObject({ code: "REFUSED", errno: 22 });
    expect(await client.regionRead(0, 0n, 4)).toEqual(Uint8Array.of(1, 2, 3, 4));
  });

  it("an error reply with the number 0 is an error all the same", async () => {
    const { client } = scripted(() => ({ flags: ERROR }));
    await expect(client.reset()).rejects.toMatchObject({ code: "REFUSED" });
  });

  it("a report of dirty pages as it was captured", async () => {
    const { client, received } = scripted(() => ({ body: body(GOLDEN["reply to DMA_LOGGING_REPORT"]!) }));
    expect(await client.writeLog.report(0n, 4096n, 4096n)).toEqual(new BigUint64Array(1));
    expect(received[0]?.body).toEqual(body(GOLDEN.DMA_LOGGING_REPORT!).with(0, 40));
  });

  it("files that nobody asked for are closed: that of a region, and those of a client that takes none", async () => {
    const [client, server] = memoryChannels(true);
    const reader = new MessageReader(bodyBySize(2 ** 20));
    let closed = 0;
    const file: PassedFile = {
      signal: () => {},
      channel: () => memoryChannels()[0],
      close: () => {
        closed++;
      },
    };
    server.onBytes = (bytes) => {
      reader.push(bytes);
      const { id, command } = reader.next()!;
      const bar1 = body(GOLDEN["reply to DEVICE_GET_REGION_INFO of BAR1"]!);
      server.send(encodeMessage({ id, command, flags: REPLY, errno: 0, body: bar1 }), [file]);
    };
    expect((await new VfioUserClient(client).regionInfo(1)).areas).toHaveLength(2);
    expect(closed).toBe(1);
  });

  it("migration data that say they are more than there are end the connection", async () => {
    const reply = (size: number, bytes: number): Answer => ({
      body: body(MigrationData.frame({ argsz: 1032, size }, new Uint8Array(bytes))),
    });
    expect((await scripted(() => reply(5, 1024)).client.migration.read(1024)).length).toBe(5);
    await expect(scripted(() => reply(1025, 1025)).client.migration.read(1024)).rejects.toThrow(
      /1025 are data/,
    );
    await expect(scripted(() => reply(9, 8)).client.migration.read(1024)).rejects.toThrow(
      /answered by 8 bytes/,
    );
  });

  it("a twin socket that is promised and does not come ends the connection, and one that nobody asked for", async () => {
    const version = { body: body(versionFrame(2, { twinSocket: true })) };
    await expect(scripted(() => version, true).client.negotiate()).rejects.toThrow(
      "a twin socket is promised, and no file for it came",
    );
    await expect(scripted(() => version).client.negotiate()).rejects.toThrow("that did not ask for one");
  });

  it("commands that only a client serves are ENOSYS, others of the same id go on", async () => {
    const { client, server, received } = scripted(() => ({}));
    server.send(
      encodeMessage({ id: 0, command: Command.DEVICE_RESET, flags: 0, errno: 0, body: new Uint8Array(0) }),
    );
    await client.reset();
    expect(received.map(({ flags, errno }) => [flags, errno])).toEqual(
      expect.arrayContaining([
        [0, 0],
        [ERROR, 38],
      ]),
    );
  });
});

describe("replies that break the protocol end the connection, with what was wrong", () => {
  const access = (offset: bigint, region: number, count: number, data: number): Uint8Array =>
    body(RegionAccess.frame({ offset, region, count }, new Uint8Array(data)));

  it.each<[string, Answer, RegExp]>([
    ["of another id", { id: 77 }, /lost sync: a reply to REGION_READ of id 77/],
    [
      "of another command",
      { command: Command.DMA_MAP },
      /lost sync: a reply to DMA_MAP of id 0: that is REGION_READ/,
    ],
    [
      "of id 0 with EINVAL, as after a collision",
      { id: 9, command: 0, flags: ERROR, errno: 22 },
      /lost sync.*EINVAL/,
    ],
    ["without a body", {}, /region access of 0 bytes: at least 16 expected/],
    ["with too few bytes", { body: access(0n, 0, 4, 3) }, /with 3 bytes of data: 4 expected/],
    ["with too many bytes", { body: access(0n, 0, 4, 5) }, /with 5 bytes of data: 4 expected/],
    ["for another offset", { body: access(4n, 0, 4, 4) }, /is answered for 4 bytes at 0x0000000000000004/],
    ["for another region", { body: access(0n, 1, 4, 4) }, /of region 1/],
  ])("%s", async (_, answer, message) => {
    const { client } = scripted(() => answer);
    await expect(client.regionRead(0, 0n, 4)).rejects.toThrow(message);
    expect(client.end?.code).toBe("PEER");
    await expect(client.reset()).rejects.toMatchObject({ code: "PEER" });
  });

  it.each<[string, (client: VfioUserClient) => Promise<unknown>, Uint8Array, RegExp]>([
    [
      "an unmap of another window",
      (client) => client.dmaUnmap({ first: 0n, last: 0xfffn }),
      body(DmaUnmap.frame({ argsz: 24, flags: 0, address: 0n, size: 0x2000n })),
      /is answered for 8192 bytes/,
    ],
    [
      "a newer version than was asked",
      (client) => client.negotiate(),
      body(versionFrame(3, {})),
      /version 0.3 in reply to 0.2/,
    ],
    [
      "another feature",
      (client) => client.writeLog.stop(),
      body(DeviceFeature.frame({ argsz: 8, flags: 0x2_0006 })),
      /is answered for 6/,
    ],
    [
      "a bitmap of the wrong length",
      (client) => client.writeLog.report(0n, 0x41_000n, 4096n),
      body(GOLDEN["reply to DMA_LOGGING_REPORT"]!),
      /dirty bitmap of 8 bytes: 16 expected/,
    ],
    [
      "capabilities outside of the message",
      (client) => client.regionInfo(1),
      body(RegionInfo.frame({ argsz: 32, flags: 8, index: 1, capOffset: 4000, size: 0n, offset: 0n })),
      /region capability of/,
    ],
    [
      "capabilities in a circle",
      (client) => client.regionInfo(1),
      body(
        RegionInfo.frame(
          { argsz: 40, flags: 8, index: 1, capOffset: 32, size: 0n, offset: 0n },
          Uint8Array.of(9, 0, 1, 0, 32, 0, 0, 0),
        ),
      ),
      /more than 16 region capabilities/,
    ],
  ])("%s", async (_, ask, answer, message) => {
    const { client } = scripted(() => ({ body: answer }));
    await expect(ask(client)).rejects.toThrow(message);
    expect(client.end?.code).toBe("PEER");
  });
});
