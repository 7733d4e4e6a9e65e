import { describe, expect, it } from "vitest";
import { memoryChannels } from "../../src/vfio-user/memory-channel.ts";
import type { PassedFile } from "../../src/vfio-user/protocol/channel.ts";
import { HEADER_BYTES, type Layout } from "../../src/vfio-user/protocol/layout.ts";
import { encodeMessage, kept, type Message } from "../../src/vfio-user/protocol/message.ts";
import { bodyBySize, MessageReader } from "../../src/vfio-user/protocol/message-reader.ts";
import {
  Bitmap,
  DeviceFeature,
  DeviceInfo,
  DmaAccess,
  DmaMap,
  DmaUnmap,
  IoFd,
  IrqInfo,
  LoggingReport,
  LoggingStart,
  MigrationData,
  MigrationStateData,
  MigrationSupport,
  mappableAreas,
  RegionAccess,
  RegionInfo,
  RegionIoFds,
  SetIrqs,
  SmallWrite,
  sparseCapability,
  WriteMulti,
} from "../../src/vfio-user/protocol/payloads.ts";
import { parseVersion, versionFrame } from "../../src/vfio-user/protocol/version.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { sameBytes } from "../helpers/same.ts";
import { times } from "../helpers/some.ts";
import { GOLDEN, hexBytes } from "./golden-frames.ts";

const MAX_BODY = 2 ** 20;
const names = Object.keys(GOLDEN);
const all = Object.values(GOLDEN);
const bodyOf = (name: string): Uint8Array => GOLDEN[name]!.subarray(HEADER_BYTES);

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** What a reader makes of a stream that comes in pieces of these lengths, over and over. */
function read(stream: Uint8Array, lengths: () => number): Message[] {
  const reader = new MessageReader(bodyBySize(MAX_BODY));
  const messages: Message[] = [];
  for (let at = 0; at < stream.length; ) {
    const length = lengths();
    reader.push(stream.slice(at, at + length));
    at += length;
    for (let message = reader.next(); message !== undefined; message = reader.next())
      messages.push(kept(message));
    reader.hold();
  }
  expect(reader.isWithinMessage).toBe(false);
  return messages;
}

describe("captured messages", () => {
  it.each(names)("are the same after reading and writing: %s", (name) => {
    const [message] = read(GOLDEN[name]!, () => 1000);
    expect(encodeMessage(message!)).toEqual(GOLDEN[name]);
  });

  it("are the same however the stream is cut", () => {
    const stream = concat(all);
    const random = new Random(runSeed());
    const cuts: (() => number)[] = [
      () => 1,
      () => 15,
      () => 17,
      () => stream.length,
      ...Array.from({ length: 20 }, () => () => 1 + random.below(random.pick([3, 20, 100, 2000]))),
    ];
    for (const lengths of cuts) {
      const messages = read(stream, lengths).map(encodeMessage);
      expect(messages.map(({ length }) => length)).toEqual(all.map(({ length }) => length));
      sameBytes(concat(messages), stream);
    }
  });

  it("say what they were captured to say", () => {
    const fields = (values: object): unknown =>
      JSON.parse(JSON.stringify(values, (_, v) => (typeof v === "bigint" ? Number(v) : v)));
    expect(fields(DmaMap.read(bodyOf("DMA_MAP")))).toEqual({
      argsz: 32,
      flags: 3,
      offset: 0x1000,
      address: 0x1000,
      size: 0x1000,
    });
    expect(fields(DmaMap.read(bodyOf("DMA_MAP of QEMU")))).toMatchObject({ address: 0, size: 0x1000_0000 });
    expect(fields(DmaUnmap.read(bodyOf("DMA_UNMAP")))).toEqual({
      argsz: 24,
      flags: 0,
      address: 0,
      size: 0x1000,
    });
    expect(DeviceInfo.read(bodyOf("reply to DEVICE_GET_INFO"))).toEqual({
      argsz: 16,
      flags: 3,
      regions: 9,
      irqs: 5,
    });
    const bar1 = bodyOf("reply to DEVICE_GET_REGION_INFO of BAR1");
    expect(fields(RegionInfo.read(bar1))).toEqual({
      argsz: 0x50,
      flags: 15,
      index: 1,
      capOffset: 32,
      size: 0x3000,
      offset: 0,
    });
    expect(mappableAreas(bar1)).toEqual([
      { offset: 0n, size: 0x1000n },
      { offset: 0x2000n, size: 0x1000n },
    ]);
    expect(IrqInfo.read(bodyOf("reply to DEVICE_GET_IRQ_INFO"))).toEqual({
      argsz: 16,
      flags: 1,
      index: 0,
      count: 1,
    });
    expect(SetIrqs.read(bodyOf("DEVICE_SET_IRQS of INTx"))).toEqual({
      argsz: 20,
      flags: 0x24,
      index: 0,
      start: 0,
      count: 1,
    });
    expect(fields(RegionAccess.read(bodyOf("REGION_READ of no region")))).toEqual({
      offset: 0,
      region: 0xdead_beef,
      count: 4,
    });
    expect(RegionAccess.tail(bodyOf("REGION_WRITE"), 8)).toEqual(hexBytes("e1 f6 02 6b 00 00 00 00"));
    expect(fields(DmaAccess.read(bodyOf("DMA_WRITE")))).toEqual({ address: 0, count: 1024 });
    expect(DmaAccess.tail(bodyOf("DMA_WRITE")).every((byte) => byte === 0x41)).toBe(true);
    expect(DeviceFeature.read(bodyOf("DMA_LOGGING_START"))).toEqual({ argsz: 24, flags: 0x2_0006 });
    expect(fields(LoggingStart.read(DeviceFeature.tail(bodyOf("DMA_LOGGING_START"))))).toEqual({
      pageSize: 4096,
      count: 0,
      reserved: 0,
    });
    expect(fields(LoggingReport.read(DeviceFeature.tail(bodyOf("DMA_LOGGING_REPORT"))))).toEqual({
      address: 0,
      size: 4096,
      pageSize: 4096,
    });
    expect(MigrationData.read(bodyOf("MIG_DATA_READ"))).toEqual({ argsz: 0x408, size: 0x400 });
    expect(parseVersion(bodyOf("VERSION of QEMU"))).toEqual({
      major: 0,
      minor: 0,
      capabilities: {
        maxMsgFds: 16,
        maxDataXferSize: 2 ** 20,
        maxDmaMaps: 65_535,
        pgsizes: 4096,
        writeMultiple: true,
        migrationPageSize: 4096,
        twinSocket: false,
        twinSocketFile: 0,
      },
    });
    expect(parseVersion(bodyOf("VERSION of the sample server")).capabilities.maxMsgFds).toBe(8);
    expect(parseVersion(bodyOf("VERSION of the sample client"))).toMatchObject({ minor: 2 });
  });

  it("are made by the layouts as they were captured", () => {
    const made = (frame: Uint8Array, name: string): void =>
      expect(frame.subarray(HEADER_BYTES), name).toEqual(bodyOf(name));
    made(DmaMap.frame({ argsz: 32, flags: 3, offset: 0x1000n, address: 0x1000n, size: 0x1000n }), "DMA_MAP");
    made(DmaUnmap.frame({ argsz: 24, flags: 0, address: 0n, size: 0x1000n }), "DMA_UNMAP");
    made(DmaAccess.frame({ address: 0n, count: 1024n }, new Uint8Array(1024).fill(0x41)), "DMA_WRITE");
    const areas = [
      { offset: 0n, size: 0x1000n },
      { offset: 0x2000n, size: 0x1000n },
    ];
    const info = { argsz: 0x50, flags: 15, index: 1, capOffset: 32, size: 0x3000n, offset: 0n };
    made(RegionInfo.frame(info, sparseCapability(areas)), "reply to DEVICE_GET_REGION_INFO of BAR1");
  });
});

/** Layouts that no capture has, with their sizes as the protocol gives them. */
it.each([
  { name: "bitmap", layout: Bitmap, bytes: 16 },
  { name: "io fds", layout: RegionIoFds, bytes: 16 },
  { name: "io fd", layout: IoFd, bytes: 40 },
  { name: "write multi", layout: WriteMulti, bytes: 8 },
  { name: "small write", layout: SmallWrite, bytes: 24 },
  { name: "migration support", layout: MigrationSupport, bytes: 8 },
  { name: "migration state", layout: MigrationStateData, bytes: 8 },
])("a $name has $bytes bytes", ({ layout, bytes }) => {
  expect(layout.bytes).toBe(bytes);
  expect(() => layout.read(new Uint8Array(bytes - 1))).toThrow(`${bytes} expected`);
});

describe("layouts that are read and written by hand", () => {
  it.each([
    ["DMA_MAP", DmaMap],
    ["DMA_UNMAP", DmaUnmap],
    ["region access", RegionAccess],
    ["DMA access", DmaAccess],
  ] as [string, Layout<Record<string, "u32" | "u64">>][])(
    "have the fields that they say: %s",
    (_, layout) => {
      const random = new Random(runSeed());
      for (let round = 0; round < times(60, 200); round++) {
        const bytes = Uint8Array.from({ length: layout.bytes + 3 }, () =>
          random.pick([0, 0, 1, 0x7f, 0x80, 0xff, random.below(256)]),
        );
        const values = layout.read(bytes, 3);
        expect(values).toEqual(layout.readFields(bytes, 3));
        const [one, two] = [new Uint8Array(layout.bytes), new Uint8Array(layout.bytes)];
        layout.write(values, one, 0);
        layout.writeFields(values, two, 0);
        expect(one).toEqual(two);
        expect(one).toEqual(bytes.subarray(3));
      }
    },
  );
});

describe("the reader", () => {
  const header = (size: number, flags = 0): Uint8Array => {
    const bytes = new Uint8Array(HEADER_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint16(2, 9, true);
    view.setUint32(4, size, true);
    view.setUint32(8, flags, true);
    return bytes;
  };
  const readOne = (bytes: Uint8Array): Message | undefined => {
    const reader = new MessageReader(bodyBySize(100));
    reader.push(bytes);
    return reader.next();
  };

  it.each([
    { size: 15, message: /REGION_READ says it has 15 bytes: 16 to 116 are possible/ },
    { size: 0, message: /says it has 0 bytes/ },
    { size: 117, message: /says it has 117 bytes/ },
    { size: 2 ** 32 - 1, message: /says it has 4294967295 bytes/ },
  ])("refuses a size of $size", ({ size, message }) => {
    expect(() => readOne(header(size))).toThrow(message);
  });

  it.each([2, 15])("refuses type %i", (type) => {
    expect(() => readOne(header(16, type))).toThrow(`of type ${type}, which is none`);
  });

  it("gives files to the message that begins last in the piece they came with", () => {
    const file = (): PassedFile => ({
      signal: () => {},
      channel: () => memoryChannels()[0],
      close: () => {},
    });
    const [one, two] = [file(), file()];
    const reader = new MessageReader(bodyBySize(100));
    const files = (): unknown => reader.next()?.files;
    // Two messages and the beginning of a third one, with whose header the first file came.
    reader.push(concat([header(16), header(20), new Uint8Array(4), header(50).subarray(0, 10)]), [one]);
    expect([files(), files(), files()]).toEqual([undefined, undefined, undefined]);
    reader.hold();
    reader.push(concat([header(50).subarray(10), new Uint8Array(34)]));
    expect(files()).toEqual([one]);
    reader.hold();
    reader.push(header(16), [one, two]);
    expect(files()).toEqual([one, two]);
  });

  it("needs no more memory than what waits, however small the pieces are", () => {
    const reader = new MessageReader(bodyBySize(2 ** 20));
    const before = process.memoryUsage();
    const message = concat([header(40_000), new Uint8Array(39_984)]);
    let count = 0;
    for (let round = 0; round < 2; round++) {
      for (const byte of message) {
        reader.push(Uint8Array.of(byte));
        if (reader.next() !== undefined) count++;
        reader.hold();
      }
    }
    expect(count).toBe(2);
    expect(process.memoryUsage().arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 25);
  });

  it("takes the smallest and the largest message", () => {
    expect(readOne(header(16))?.body.length).toBe(0);
    expect(readOne(concat([header(116), new Uint8Array(100)]))?.body.length).toBe(100);
    expect(readOne(concat([header(116), new Uint8Array(99)]))).toBe(undefined);
  });
});

describe("VERSION", () => {
  const parse = (json: string, major = 0): unknown => {
    const frame = versionFrame(2, {}).slice(HEADER_BYTES, HEADER_BYTES + 4);
    frame[0] = major;
    return parseVersion(concat([frame, new TextEncoder().encode(json)]));
  };

  it("has its defaults where nothing is said", () => {
    expect(parse("")).toMatchObject({ capabilities: { maxDataXferSize: 2 ** 20, maxDmaMaps: 65_535 } });
    expect(parse("{}\0")).toMatchObject({ capabilities: { maxMsgFds: 1 } });
    expect(parse('{"capabilities":{"never_heard_of":7}}\0')).toMatchObject({ minor: 2 });
  });

  it.each([
    ["{}", /does not end in a zero byte/],
    ["{\0", /VERSION is no JSON/],
    ["[]\0", /"VERSION" of VERSION is \[\]/],
    ['{"capabilities":7}\0', /"capabilities" of VERSION is 7: expected an object/],
    [
      '{"capabilities":{"max_msg_fds":1025}}\0',
      /"max_msg_fds" of VERSION is 1025: expected a whole number up to 1024/,
    ],
    ['{"capabilities":{"max_data_xfer_size":65536.5}}\0', /is 65536.5/],
    ['{"capabilities":{"max_data_xfer_size":0}}\0', /nothing could be transferred/],
    ['{"capabilities":{"max_data_xfer_size":null}}\0', /is null/],
    ['{"capabilities":{"twin_socket":true}}\0', /"twin_socket" of VERSION is true/],
    ['{"capabilities":{"twin_socket":{"supported":1}}}\0', /"supported" of VERSION is 1/],
    [`"${"x".repeat(20_000)}"\0`, /more than 16384/],
  ])("is refused as %s", (json, message) => {
    expect(() => parse(json)).toThrow(message);
  });

  it("is refused in another major version", () => {
    expect(() => parse("", 1)).toThrow("version 1.2: only 0.x is spoken here");
  });
});
