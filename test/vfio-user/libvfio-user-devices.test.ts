/**
 * Behaviour of libvfio-user around interrupts, migration, logging and the twin socket, and of its limits, as it was seen in
 * runs of it (commit efd091b), played by our server.
 *
 * @module
 */
import { describe, expect, it } from "vitest";
import { MailboxDma, MailboxRegister } from "../../src/vfio-user/devices/mailbox-dma.ts";
import { RefusedError } from "../../src/vfio-user/peer.ts";
import { HEADER_BYTES } from "../../src/vfio-user/protocol/layout.ts";
import { Command, encodeMessage, type Message } from "../../src/vfio-user/protocol/message.ts";
import { MigrationState } from "../../src/vfio-user/protocol/migration-state.ts";
import {
  DeviceFeature,
  DeviceInfo,
  DmaAccess,
  Feature,
  FeatureFlag,
  IrqInfo,
  LoggingReport,
  LoggingStart,
  MigrationData,
  MigrationStateData,
  RegionAccess,
  RegionInfo,
  RegionIoFds,
  SetIrqs,
} from "../../src/vfio-user/protocol/payloads.ts";
import { versionFrame } from "../../src/vfio-user/protocol/version.ts";
import type { DevicePlace, PciDeviceModel } from "../../src/vfio-user/server/device-model.ts";
import { LIBVFIO_USER } from "../../src/vfio-user/server/profile.ts";
import { PAGE, plugged, READ } from "./plugged.ts";
import { map, RawClient, unmap } from "./raw-client.ts";

const EINVAL = 22;
const { STOP, RUNNING, STOP_COPY, RESUMING } = MigrationState;
const body = (frame: Uint8Array): Uint8Array => frame.subarray(HEADER_BYTES);

/** A device that does nothing, with what a test needs of it. */
const plain = (more: Partial<PciDeviceModel> = {}): PciDeviceModel => ({
  name: "plain",
  vendor: 1,
  device: 2,
  bars: [],
  attach: () => {},
  ...more,
});

describe("interrupts by files", () => {
  const irqs = (flags: number, index: number, start: number, count: number, data = 0): Uint8Array =>
    SetIrqs.frame({ argsz: 20 + data, flags, index, start, count }, new Uint8Array(data).fill(1));

  async function withInterrupts(): Promise<{ client: RawClient; masks: unknown[] }> {
    const masks: unknown[] = [];
    const device = plain({
      intx: true,
      msiVectors: 4,
      masked: (kind, vector, masked) => masks.push([kind, vector, masked]),
    });
    return { client: await RawClient.negotiated(LIBVFIO_USER, device), masks };
  }

  it("one that nobody gave a file for is ENOENT for the device, and nothing is sent", async () => {
    const { client } = await withInterrupts();
    client.received.length = 0;
    await expect(client.session.raise("intx")).rejects.toMatchObject({ errno: 2 });
    await expect(client.session.raise("msi", 3)).rejects.toMatchObject({ errno: 2 });
    await client.turn();
    expect(client.received).toEqual([]);
  });

  it("files must be as many as vectors, and come with no other kind of data", async () => {
    const { client } = await withInterrupts();
    const files = (count: number) => Array.from({ length: count }, () => client.event().file);
    const set = (frame: Uint8Array, count: number): Promise<number> =>
      client.errnoOf(Command.DEVICE_SET_IRQS, frame, files(count));
    expect(await set(irqs(0x24, 1, 0, 4), 4)).toBe(0);
    expect(await set(irqs(0x24, 1, 0, 4), 3)).toBe(EINVAL);
    expect(await set(irqs(0x24, 1, 0, 1), 2)).toBe(EINVAL);
    expect(await set(irqs(0x21, 1, 0, 1), 1)).toBe(EINVAL);
    expect(await set(irqs(0x22, 1, 0, 1, 1), 1)).toBe(EINVAL);
    expect(await set(irqs(0x24, 1, 3, 2), 2)).toBe(EINVAL);
  });

  it("taking some back that are not the first is a success, and they fire on", async () => {
    const { client } = await withInterrupts();
    const events = Array.from({ length: 4 }, () => client.event());
    const fire = async (): Promise<number[]> => {
      for (let vector = 0; vector < 4; vector++) await client.session.raise("msi", vector).catch(() => {});
      return events.map(({ times }) => times());
    };
    await client.errnoOf(
      Command.DEVICE_SET_IRQS,
      irqs(0x24, 1, 0, 4),
      events.map(({ file }) => file),
    );
    expect(await fire()).toEqual([1, 1, 1, 1]);
    expect(await client.errnoOf(Command.DEVICE_SET_IRQS, irqs(0x24, 1, 2, 2))).toBe(0);
    expect(await fire()).toEqual([2, 2, 2, 2]);
    expect(await client.errnoOf(Command.DEVICE_SET_IRQS, irqs(0x24, 1, 0, 4))).toBe(0);
    expect(await fire()).toEqual([2, 2, 2, 2]);
  });

  it("all kinds share one list of files: a file for MSI 0 takes that of INTx away", async () => {
    const { client } = await withInterrupts();
    const [line, message] = [client.event(), client.event()];
    await client.errnoOf(Command.DEVICE_SET_IRQS, irqs(0x24, 0, 0, 1), [line.file]);
    await client.session.raise("intx");
    await client.errnoOf(Command.DEVICE_SET_IRQS, irqs(0x24, 1, 0, 1), [message.file]);
    await client.session.raise("intx");
    expect([line.times(), message.times()]).toEqual([1, 1]);
  });

  it("INTx that is masked comes all the same, unless the device looks; files stay over a reset", async () => {
    const { client, masks } = await withInterrupts();
    const line = client.event();
    await client.errnoOf(Command.DEVICE_SET_IRQS, irqs(0x24, 0, 0, 1), [line.file]);
    expect(await client.errnoOf(Command.DEVICE_SET_IRQS, irqs(0x09, 0, 0, 1))).toBe(0);
    expect(masks).toEqual([["intx", 0, true]]);
    await client.session.raise("intx");
    expect(await client.errnoOf(Command.DEVICE_RESET, new Uint8Array(HEADER_BYTES))).toBe(0);
    await client.session.raise("intx");
    expect(line.times()).toBe(2);
    expect(await client.errnoOf(Command.DEVICE_SET_IRQS, irqs(0x12, 0, 0, 1, 1))).toBe(0);
    expect(masks.at(-1)).toEqual(["intx", 0, false]);
  });

  it("a client may trigger them itself", async () => {
    const { client } = await withInterrupts();
    const events = [client.event(), client.event()];
    await client.errnoOf(
      Command.DEVICE_SET_IRQS,
      irqs(0x24, 1, 0, 2),
      events.map(({ file }) => file),
    );
    await client.errnoOf(Command.DEVICE_SET_IRQS, irqs(0x21, 1, 1, 1));
    expect(events.map(({ times }) => times())).toEqual([0, 1]);
    await client.errnoOf(Command.DEVICE_SET_IRQS, irqs(0x22, 1, 0, 2, 2));
    expect(events.map(({ times }) => times())).toEqual([1, 2]);
  });

  it.each(["intx", "msi", "msix"] as const)("come to a host that gives files (%s)", async (kind) => {
    const { host, session, signals } = await plugged({ profile: LIBVFIO_USER, passesFiles: true });
    expect(await host.enableIrqs(kind)).toBe(kind === "msix" ? 2 : 1);
    await session.raise(kind, 0);
    if (kind === "msix") await session.raise(kind, 1);
    expect(signals).toEqual(kind === "msix" ? ["msix 0", "msix 1"] : [`${kind} 0`]);
    await host.disableIrqs(["intx", "msi", "msix"].indexOf(kind));
    await expect(session.raise(kind)).rejects.toMatchObject({ errno: 2 });
  });

  it("a host that cannot pass files says so", async () => {
    const { host } = await plugged({ profile: LIBVFIO_USER });
    await expect(host.enableIrqs("intx")).rejects.toThrow(
      "interrupts need files, which cannot be passed here",
    );
  });
});

describe("the twin socket", () => {
  const twin = (): ReturnType<typeof plugged> => plugged({ profile: LIBVFIO_USER, passesFiles: true });

  it("is there where files can be passed; DMA that a device starts by itself meets no command then", async () => {
    const { host, put, setCommand, session, register } = await twin();
    expect(host.client.hasTwinSocket).toBe(true);
    await setCommand(4);
    await put(0n, 0x20_0003n);
    for (let round = 0; round < 40; round++) {
      const reads = Array.from({ length: 10 }, () => register(MailboxRegister.DONE));
      const dma = session.dmaRead(0n, 64);
      await Promise.all([dma, ...reads]);
    }
    expect(host.client.end).toBe(undefined);
  });

  it("RESET, UNMAP and queries in the middle of a DMA wait, and are answered in order after it", async () => {
    const { host, put, setCommand, session } = await plugged({
      profile: LIBVFIO_USER,
      passesFiles: true,
      mode: "pipelined",
    });
    await setCommand(4);
    await put(0n, 0x20_0003n);
    const order: string[] = [];
    const note = (what: string) => () => void order.push(what);
    const dma = session.dmaRead(0n, 64).then(note("DMA"));
    await Promise.all([
      dma,
      host.client.reset().then(note("RESET")),
      host.client.dmaUnmap({ first: 0n, last: 0xfffn }).then(note("UNMAP")),
      host.client.deviceInfo().then(note("INFO")),
    ]);
    expect(order).toEqual(["DMA", "RESET", "UNMAP", "INFO"]);
  });

  it("its end is the end", async () => {
    const { host, session } = await twin();
    session.close();
    expect((await host.client.closed).code).toBe("PEER");
  });

  it("is refused by a client that may get no file, and max_msg_fds of 0 keeps it away", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER, plain(), { twinSocket: true, maxMsgFds: 0 });
    const [reply] = client.received;
    expect(reply?.files).toBe(undefined);
    expect(new TextDecoder().decode(reply!.body)).toContain('"twin_socket":{"supported":false}');
  });

  it("posted writes are possible with it", async () => {
    const { host, register } = await twin();
    host.client.postWrite(0, BigInt(MailboxRegister.LENGTH), Uint8Array.of(9, 0, 0, 0));
    expect(await register(MailboxRegister.LENGTH)).toBe(9);
    const { host: single } = await plugged({ profile: LIBVFIO_USER });
    expect(() => single.client.postWrite(0, 0n, Uint8Array.of(1))).toThrow("has no visible end");
  });
});

describe("migration and logging", () => {
  const feature = (number: number, flags: number, data: Uint8Array, room = 64): Uint8Array =>
    DeviceFeature.frame({ argsz: 8 + room, flags: number | flags }, data);
  const setState = (state: number): Uint8Array => {
    const data = new Uint8Array(8);
    MigrationStateData.write({ state, dataFd: 0 }, data, 0);
    return feature(Feature.MIG_DEVICE_STATE, FeatureFlag.SET, data);
  };
  const stateOf = async (client: RawClient): Promise<number> => {
    const get = feature(Feature.MIG_DEVICE_STATE, FeatureFlag.GET, new Uint8Array(0));
    const [reply] = await client.ask(Command.DEVICE_FEATURE, body(get));
    return MigrationStateData.read(reply!.body, 8).state;
  };
  const dataRead = (size: number, argsz = 8 + size): Uint8Array => MigrationData.frame({ argsz, size });
  const dataWrite = (data: Uint8Array): Uint8Array =>
    MigrationData.frame({ argsz: 8 + data.length, size: data.length }, data);

  it("a device without call-backs refuses all of it", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER, plain());
    for (const [number, flags] of [
      [1, FeatureFlag.GET],
      [2, FeatureFlag.GET],
      [6, FeatureFlag.SET],
      [7, FeatureFlag.SET],
      [8, FeatureFlag.GET],
      [1, FeatureFlag.PROBE],
    ] as const) {
      expect(await client.errnoOf(Command.DEVICE_FEATURE, feature(number, flags, new Uint8Array(24)))).toBe(
        EINVAL,
      );
    }
    expect(await client.errnoOf(Command.MIG_DATA_READ, dataRead(16))).toBe(EINVAL);
    expect(await client.errnoOf(Command.MIG_DATA_WRITE, dataWrite(Uint8Array.of(1)))).toBe(EINVAL);
  });

  it.each([
    [4096, true],
    [2048, false],
    [5000, false],
    [65_536, false],
  ])("migration.pgsize of %i: only its own page size will do", async (pageSize, isTaken) => {
    const client = await RawClient.negotiated(LIBVFIO_USER, undefined, { migrationPageSize: pageSize });
    expect(client.received[0]?.errno).toBe(isTaken ? 0 : EINVAL);
    expect(client.end === undefined).toBe(isTaken);
    // One that cannot migrate does not look.
    const other = await RawClient.negotiated(LIBVFIO_USER, plain(), { migrationPageSize: pageSize });
    expect(other.received[0]?.errno).toBe(0);
  });

  it("probes what is there", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    const probe = (number: number, how: number): Promise<number> =>
      client.errnoOf(Command.DEVICE_FEATURE, feature(number, FeatureFlag.PROBE | how, new Uint8Array(0)));
    expect(await probe(1, FeatureFlag.GET)).toBe(0);
    expect(await probe(1, FeatureFlag.SET)).toBe(EINVAL);
    expect(await probe(2, FeatureFlag.GET | FeatureFlag.SET)).toBe(0);
    expect(await probe(8, FeatureFlag.GET)).toBe(0);
    expect(await probe(3, 0)).toBe(EINVAL);
  });

  it("goes by arcs to each state that can be reached, and to no other", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    const go = async (state: number): Promise<[number, number]> => {
      const [reply] = await client.ask(Command.DEVICE_FEATURE, body(setState(state)));
      return [reply!.errno, await stateOf(client)];
    };
    expect(await stateOf(client)).toBe(RUNNING);
    expect(await go(STOP_COPY)).toEqual([0, STOP_COPY]);
    expect(await go(RESUMING)).toEqual([0, RESUMING]);
    expect(await go(RUNNING)).toMatchObject([EINVAL, RESUMING]);
    for (const state of [0, 5, 6, 7, 99]) expect((await go(state))[0], String(state)).toBe(EINVAL);
  });

  it("a refused SET has a body, as large as a success", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    const [reply] = await client.ask(Command.DEVICE_FEATURE, body(setState(77)));
    expect(reply).toMatchObject({ flags: 0x21, errno: EINVAL });
    expect(reply!.body.length).toBe(16);
  });

  it("data that are read are as long as was asked for, and say how many they are", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    await client.errnoOf(Command.DEVICE_FEATURE, setState(STOP_COPY));
    let bytes = 0;
    for (let size = 4096; size === 4096; bytes += size) {
      const [reply] = await client.ask(Command.MIG_DATA_READ, body(dataRead(4096)));
      expect(reply?.body.length).toBe(8 + 4096);
      ({ size } = MigrationData.read(reply!.body));
    }
    expect(bytes).toBeGreaterThan(0x1_0000);
    expect(bytes % 4096).not.toBe(0);
    expect(await client.errnoOf(Command.MIG_DATA_READ, dataRead(16, 23))).toBe(EINVAL);
  });

  it("data are written while resuming only, as many as the client takes itself, and are answered by a header", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER, undefined, { maxDataXferSize: 4096 });
    const one = dataWrite(Uint8Array.of(1));
    expect(await client.errnoOf(Command.MIG_DATA_WRITE, one)).toBe(EINVAL);
    await client.errnoOf(Command.DEVICE_FEATURE, setState(RESUMING));
    expect(await client.ask(Command.MIG_DATA_WRITE, body(one))).toMatchObject([
      { errno: 0, body: new Uint8Array(0) },
    ]);
    expect(await client.errnoOf(Command.MIG_DATA_WRITE, dataWrite(new Uint8Array(4097)))).toBe(EINVAL);
    expect(await client.errnoOf(Command.MIG_DATA_READ, dataRead(16))).toBe(EINVAL);
  });

  it("a device that stands still takes no MAP, UNMAP, RESET, SET_IRQS or GET_INFO, and no access while it saves", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    await client.errnoOf(Command.DMA_MAP, map(0n, 0x1000n));
    await client.errnoOf(Command.DEVICE_FEATURE, setState(STOP));
    const refused = async (): Promise<number[]> => [
      await client.errnoOf(Command.DMA_MAP, map(0x1000n, 0x1000n)),
      await client.errnoOf(Command.DMA_UNMAP, unmap(0n, 0x1000n)),
      await client.errnoOf(Command.DEVICE_RESET, new Uint8Array(HEADER_BYTES)),
      await client.errnoOf(
        Command.DEVICE_SET_IRQS,
        SetIrqs.frame({ argsz: 20, flags: 0x21, index: 1, start: 0, count: 0 }),
      ),
      await client.errnoOf(
        Command.DEVICE_GET_INFO,
        DeviceInfo.frame({ argsz: 16, flags: 0, regions: 0, irqs: 0 }),
      ),
    ];
    expect(await refused()).toEqual(Array(5).fill(EINVAL));
    const read = RegionAccess.frame({ offset: 0n, region: 7, count: 4 });
    expect(await client.errnoOf(Command.REGION_READ, read)).toBe(0);
    await client.errnoOf(Command.DEVICE_FEATURE, setState(STOP_COPY));
    expect(await refused()).toEqual(Array(5).fill(EINVAL));
    expect(await client.errnoOf(Command.REGION_READ, read)).toBe(EINVAL);
    await client.errnoOf(Command.DEVICE_FEATURE, setState(RUNNING));
    expect(await client.errnoOf(Command.DMA_UNMAP, unmap(0n, 0x1000n))).toBe(0);
  });

  it("logs nothing of what goes by messages: a report is EINVAL, and ENOTSUP where no window begins", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    await client.errnoOf(Command.DMA_MAP, map(0n, 0x4000n));
    const start = new Uint8Array(LoggingStart.bytes);
    LoggingStart.write({ pageSize: 4096n, count: 0, reserved: 0 }, start, 0);
    const report = (address: bigint): Promise<number> => {
      const data = new Uint8Array(LoggingReport.bytes);
      LoggingReport.write({ address, size: 4096n, pageSize: 4096n }, data, 0);
      return client.errnoOf(
        Command.DEVICE_FEATURE,
        feature(Feature.DMA_LOGGING_REPORT, FeatureFlag.GET, data),
      );
    };
    expect(await report(0n)).toBe(EINVAL);
    expect(
      await client.errnoOf(
        Command.DEVICE_FEATURE,
        feature(Feature.DMA_LOGGING_START, FeatureFlag.SET, start),
      ),
    ).toBe(0);
    expect(await report(0n)).toBe(EINVAL);
    expect(await report(0x1000n)).toBe(95);
    expect(await client.errnoOf(Command.DMA_UNMAP, unmap(0n, 0x4000n, 1))).toBe(EINVAL);
  });
});

describe("windows and DMA at the edges", () => {
  it("the same DMA_MAP again tells the device again, and one DMA_UNMAP ends it", async () => {
    const told: string[] = [];
    const device = plain({
      mapped: ({ first }) => void told.push(`map ${first}`),
      unmapping: ({ first }) => void told.push(`unmap ${first}`),
    });
    const client = await RawClient.negotiated(LIBVFIO_USER, device);
    for (let i = 0; i < 3; i++) expect(await client.errnoOf(Command.DMA_MAP, map(0n, 0x1000n))).toBe(0);
    expect(await client.errnoOf(Command.DMA_UNMAP, unmap(0n, 0x1000n))).toBe(0);
    expect(told).toEqual(["map 0", "map 0", "map 0", "unmap 0"]);
    expect(client.session.windows).toEqual([]);
  });

  it("more windows than the device takes: EINVAL", async () => {
    const client = await RawClient.negotiated({ ...LIBVFIO_USER, maxWindows: 2 }, plain());
    const errnos = [0n, PAGE, 2n * PAGE].map((address) => map(address, PAGE));
    expect(await client.errnoOf(Command.DMA_MAP, errnos[0]!)).toBe(0);
    expect(await client.errnoOf(Command.DMA_MAP, errnos[1]!)).toBe(0);
    expect(await client.errnoOf(Command.DMA_MAP, errnos[2]!)).toBe(EINVAL);
  });

  it("a window on the last page of the bus is taken, and never found", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER, plain());
    const last = 0xffff_ffff_ffff_f000n;
    expect(await client.errnoOf(Command.DMA_MAP, map(last, 0x1000n))).toBe(0);
    await expect(client.session.dmaRead(last, 8)).rejects.toMatchObject({ errno: 2 });
  });

  it("a write into a window that may only be read is refused before anything is sent, and so is a range over two", async () => {
    const { put, setCommand, session, dma } = await plugged({ profile: LIBVFIO_USER });
    await setCommand(4);
    await put(0n, 0x20_0001n);
    await put(PAGE, 0x30_0003n);
    await expect(session.dmaWrite(0n, new Uint8Array(8))).rejects.toMatchObject({ errno: 13 });
    await expect(session.dmaRead(0xff8n, 16)).rejects.toMatchObject({ errno: 95 });
    expect(dma).toEqual([]);
  });

  it("a piece that is refused ends a transfer, and those before it stay done", async () => {
    const { put, setCommand, session, memory, dma } = await plugged({ profile: LIBVFIO_USER });
    await setCommand(4);
    for (let page = 0n; page < 16n; page++) await put(page * PAGE, 0x20_0003n + page * PAGE);
    const data = new Uint8Array(0x1_8000).fill(7);
    await expect(session.uncheckedWrite(0n, data)).rejects.toMatchObject({ errno: 14 });
    expect(dma.map(({ bytes, errno }) => [bytes, errno])).toEqual([
      [0x1_0000, 0],
      [0x8000, 14],
    ]);
    expect(memory(0x20_ff00n, 256)).toEqual(data.subarray(0, 256));
  });

  it("a refusal of the client is the bare header, and its errno is what the device sees", async () => {
    const { setCommand, session, wire } = await plugged({ profile: LIBVFIO_USER });
    await setCommand(4);
    wire.length = 0;
    await expect(session.uncheckedWrite(0x5000n, new Uint8Array(64))).rejects.toMatchObject({ errno: 14 });
    expect(wire.filter(({ from }) => from === "client").map(({ bytes }) => bytes.length)).toEqual([16]);
  });

  it("DMA of an idle client's device that begins by itself meets nothing", async () => {
    const { put, setCommand, session } = await plugged({ profile: LIBVFIO_USER });
    await setCommand(4);
    await put(0n, 0x20_0003n);
    for (let round = 0; round < 60; round++) await session.dmaRead(0n, 4096);
    expect(session.windows.length).toBe(1);
  });

  it("DMA comes between DMA_MAP and its reply, also to another window, and the reply waits for ours", async () => {
    let place: DevicePlace | undefined;
    let isQuick = true;
    const device = plain({
      attach: (given) => {
        place = given;
      },
      quiesce: async () => {
        if (!isQuick) await place!.dmaRead(0n, 16);
      },
    });
    const client = await RawClient.negotiated(LIBVFIO_USER, device);
    await client.errnoOf(Command.DMA_MAP, map(0n, 0x1000n));
    isQuick = false;
    const asked = await client.ask(Command.DMA_MAP, body(map(0x1000n, 0x1000n)));
    expect(asked.map(({ command, flags }) => [command, flags])).toEqual([[Command.DMA_READ, 0]]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(client.received.length).toBe(1);
    const answer = DmaAccess.frame({ address: 0n, count: 16n }, new Uint8Array(16));
    const reply = { id: asked[0]!.id, command: Command.DMA_READ, flags: 1, errno: 0, body: body(answer) };
    expect(await client.say(encodeMessage(reply))).toMatchObject([
      { command: Command.DMA_MAP, errno: 0, flags: 1 },
    ]);
  });
});

describe("sizes", () => {
  it("a message of more than 1 MiB + 32 is EINVAL, and what it has behind its header is read as the next one", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    const big = encodeMessage({
      id: 5,
      command: Command.REGION_WRITE,
      flags: 0,
      errno: 0,
      body: new Uint8Array(64),
    });
    new DataView(big.buffer).setUint32(4, 2 ** 20 + 33, true);
    expect(await client.say(big)).toMatchObject([
      { id: 5, errno: EINVAL },
      { id: 0, command: 0, errno: EINVAL },
      { errno: EINVAL },
      { errno: EINVAL },
      { errno: EINVAL },
    ]);
  });

  it("a DMA_READ of 1 MiB is answered in one message", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    await client.errnoOf(Command.DMA_MAP, map(0n, 2n ** 20n));
    client.received.length = 0;
    const done = client.session.dmaRead(0n, 2 ** 20);
    await client.turn();
    const [{ id }] = client.received as [Message];
    const answer = DmaAccess.frame({ address: 0n, count: 2n ** 20n }, new Uint8Array(2 ** 20).fill(3));
    client.send(encodeMessage({ id, command: Command.DMA_READ, flags: 1, errno: 0, body: body(answer) }));
    expect((await done).every((byte) => byte === 3)).toBe(true);
  });

  it("the header of a reply to DMA must come at once", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    await client.errnoOf(Command.DMA_MAP, map(0n, 0x1000n));
    const done = client.session.dmaRead(0n, 8).catch((error: Error) => error.message);
    await client.turn();
    const { id } = client.received.at(-1)!;
    const answer = DmaAccess.frame({ address: 0n, count: 8n }, new Uint8Array(8));
    const reply = encodeMessage({ id, command: Command.DMA_READ, flags: 1, errno: 0, body: body(answer) });
    await client.say(reply.subarray(0, 8), reply.subarray(8));
    expect(await done).toContain("more than one piece");
    await client.turn();
    expect(client.end).toBeDefined();
  });

  it("argsz below the fixed part of a query is EINVAL, and bytes behind a read's are nothing", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    const argsz = 15;
    for (const [command, frame] of [
      [Command.DEVICE_GET_INFO, DeviceInfo.frame({ argsz, flags: 0, regions: 0, irqs: 0 })],
      [Command.DEVICE_GET_IRQ_INFO, IrqInfo.frame({ argsz, flags: 0, index: 0, count: 0 })],
      [Command.DEVICE_GET_REGION_IO_FDS, RegionIoFds.frame({ argsz, flags: 0, index: 0, count: 0 })],
      [
        Command.DEVICE_GET_REGION_INFO,
        RegionInfo.frame({ argsz, flags: 0, index: 0, capOffset: 0, size: 0n, offset: 0n }),
      ],
    ] as const)
      expect(await client.errnoOf(command, frame), String(command)).toBe(EINVAL);
    const read = RegionAccess.frame({ offset: 0n, region: 0, count: 4 }, new Uint8Array(9));
    expect(await client.errnoOf(Command.REGION_READ, read)).toBe(0);
    expect(
      await client.errnoOf(
        Command.DEVICE_GET_REGION_IO_FDS,
        RegionIoFds.frame({ argsz: 16, flags: 0, index: 0, count: 0 }),
      ),
    ).toBe(0);
    expect(
      await client.errnoOf(
        Command.DEVICE_GET_REGION_IO_FDS,
        RegionIoFds.frame({ argsz: 16, flags: 0, index: 4, count: 0 }),
      ),
    ).toBe(EINVAL);
  });

  it("3000 reads at once are answered in order", async () => {
    const client = await RawClient.negotiated(LIBVFIO_USER);
    const read = body(RegionAccess.frame({ offset: 0n, region: 0, count: 4 }));
    client.received.length = 0;
    for (let i = 0; i < 3000; i++) client.send(client.frame(Command.REGION_READ, read));
    for (let turn = 0; turn < 50 && client.received.length < 3000; turn++) await client.turn();
    const ids = client.received.map(({ id }) => id);
    expect(ids).toEqual(Array.from({ length: 3000 }, (_, i) => ids[0]! + i));
  });

  it("a device that was reset has its COMMAND register, its windows and its files still", async () => {
    const { host, put, setCommand, session, transfer, register } = await plugged({ profile: LIBVFIO_USER });
    await setCommand(6);
    await put(0n, 0x20_0003n);
    await host.reset();
    expect((await host.read(7, 4n, 2))[0]).toBe(6);
    expect(session.windows.length).toBe(1);
    await transfer(READ, 0n, 16);
    expect(await register(MailboxRegister.ERRNO)).toBe(0);
  });

  it("a host that comes back finds no windows", async () => {
    const device = new MailboxDma();
    const first = await RawClient.negotiated(LIBVFIO_USER, device);
    await first.errnoOf(Command.DMA_MAP, map(0n, 0x1000n));
    first.close();
    await first.session.closed;
    const second = await RawClient.negotiated(LIBVFIO_USER, device);
    expect(second.session.windows).toEqual([]);
    expect(await second.errnoOf(Command.DMA_UNMAP, unmap(0n, 0x1000n))).toBe(2);
  });

  it("a refusal that takes time is a refusal: the device's errno, with a body", async () => {
    const bar = {
      size: 4096,
      read: async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        throw new RefusedError(5, "later");
      },
      write: () => {},
    };
    const { host } = await plugged({ profile: LIBVFIO_USER, device: plain({ bars: [bar] }) });
    await expect(host.read(0, 0n, 4)).rejects.toMatchObject({ errno: 5 });
    expect(await host.read(7, 0n, 2)).toEqual(Uint8Array.of(1, 0));
  });

  it("VERSION says no more than real ones do", async () => {
    const client = new RawClient(LIBVFIO_USER);
    const [reply] = await client.ask(Command.VERSION, body(versionFrame(2, {})));
    expect(new TextDecoder().decode(reply!.body.subarray(4, -1))).toBe(
      '{"capabilities":{"max_msg_fds":8,"max_data_xfer_size":1048576,"migration":{"pgsize":4096}}}',
    );
  });
});
