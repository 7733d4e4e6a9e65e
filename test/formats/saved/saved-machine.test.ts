import { deflateSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { IommuError } from "../../../src/base/errors.ts";
import { rawSource } from "../../../src/formats/input/input-data.ts";
import { openInput } from "../../../src/formats/input/opened-input.ts";
import { blankRam } from "../../../src/formats/migration/blank-ram.ts";
import { SavedRam } from "../../../src/formats/migration/ram-index.ts";
import { readMigration } from "../../../src/formats/migration/reader.ts";
import type { ByteFile } from "../../../src/formats/migration/source.ts";
import {
  choiceNotes,
  type MachineChoice,
  openMachine,
  readSavedMachine,
} from "../../../src/formats/saved/saved-machine.ts";
import { inputForms } from "../../helpers/input-forms.ts";
import { same } from "../../helpers/same.ts";
import { some, times } from "../../helpers/some.ts";
import { storedOf } from "../../tce/model.ts";
import { ascii, be, HEADER, named, RAM_BLOCK, section } from "../migration/small-stream.ts";
import { chunksOf, fileOf } from "../migration/sources.ts";
import {
  advisedStream,
  compressedStream,
  ignoredStream,
  libvirtImage,
  mappedStream,
  oldStream,
  plainStream,
  postcopyStream,
  qcow2Disk,
  TABLES,
  XML,
} from "./small-saved.ts";

type Input = Parameters<typeof openInput>[0];
const read = async (input: Input, choice: Partial<MachineChoice> = {}) =>
  readSavedMachine(await openInput(input, "x", 1), { name: "x", ...choice });
const tablesOf = ({ stream }: Awaited<ReturnType<typeof read>>) =>
  stream.windows.map(({ liobn, table }) => [liobn, ...(table === null ? [] : storedOf(table))]);
const errorOf = (work: Promise<unknown>): Promise<IommuError> =>
  work.then(
    () => expect.unreachable("it should fail"),
    (error) => error as IommuError,
  );
const bytesOf = (bytes: readonly number[]): Uint8Array<ArrayBuffer> => Uint8Array.from(bytes);

const PACKED_PAGE = new Uint8Array(deflateSync(new Uint8Array(4096).fill(0x33)));
/** Bytes of a small image before QEMU's. */
const IMAGE_HEAD = libvirtImage([]).length;
const CONTAINERS = [
  { what: "a plain stream", bytes: plainStream(), layers: ["stream"] },
  { what: "compressed pages", bytes: compressedStream(PACKED_PAGE), layers: ["stream"] },
  { what: "mapped pages", bytes: mappedStream(), layers: ["mapped-ram"] },
  { what: "mapped pages, some shared", bytes: mappedStream(0, 0x2000, true), layers: ["mapped-ram"] },
  { what: "all memory in a shared file", bytes: ignoredStream(), layers: ["mapped-ram"] },
  { what: "postcopy that did not begin", bytes: advisedStream(), layers: ["stream"] },
  { what: "postcopy", bytes: postcopyStream(), layers: ["postcopy"] },
  { what: "postcopy without a destination", bytes: postcopyStream(20), layers: ["postcopy"] },
  {
    what: "libvirt's image",
    bytes: libvirtImage(plainStream()),
    layers: ["libvirt-save", "stream"],
    offset: IMAGE_HEAD,
  },
  {
    what: "libvirt's image of a big-endian host",
    bytes: libvirtImage(plainStream(), { isBig: true }),
    layers: ["libvirt-save", "stream"],
    offset: IMAGE_HEAD,
  },
  {
    what: "libvirt's image, gzip",
    bytes: libvirtImage(gzipSync(bytesOf(plainStream())), { form: 1 }),
    layers: ["libvirt-save", "gzip", "stream"],
  },
  {
    what: "libvirt's image, sparse",
    bytes: libvirtImage(mappedStream(libvirtImage([]).length), { form: 6 }),
    layers: ["libvirt-save", "mapped-ram"],
    offset: IMAGE_HEAD,
  },
  {
    what: "a disk",
    bytes: [...qcow2Disk({ snapshots: [{ name: "snap", state: plainStream() }] })],
    layers: ["qcow2", "stream"],
  },
  {
    what: "a disk of version 2",
    bytes: [...qcow2Disk({ version: 2, snapshots: [{ name: "snap", state: mappedStream() }] })],
    layers: ["qcow2", "mapped-ram"],
  },
  {
    what: "a disk with divided clusters",
    bytes: [...qcow2Disk({ isDivided: true, snapshots: [{ name: "snap", state: mappedStream() }] })],
    layers: ["qcow2", "mapped-ram"],
  },
  {
    what: "a disk whose list of snapshots does not count mapped pages",
    bytes: [
      ...qcow2Disk({ snapshots: [{ name: "snap", state: mappedStream(), told: plainStream().length }] }),
    ],
    layers: ["qcow2", "mapped-ram"],
  },
  {
    what: "zeros before it",
    bytes: [...new Array<number>(5000).fill(0), ...plainStream()],
    layers: ["stream"],
    offset: 5000,
  },
  {
    what: "other bytes before and after it",
    bytes: [1, 2, 3, 0x51, 0x45, ...plainStream(), 1, 2, 3],
    layers: ["stream"],
    offset: 5,
    isOdd: true,
  },
] as const;

describe.each(CONTAINERS)("a machine with $what", (container) => {
  const { bytes, layers } = container;
  const offset = "offset" in container ? container.offset : 0;

  it.each(some(inputForms(bytesOf(bytes)), 6))("is read from $form", async ({ open, isOnce }) => {
    const machine = await read(open());
    expect(tablesOf(machine)).toEqual(TABLES);
    expect(machine.container).toMatchObject({ layers, offset, remarks: [] });
    if (!(isOnce && "isOdd" in container)) expect(machine.stream.remarks).toEqual([]);
    expect(machine.container.domainXml).toBe(layers.includes("libvirt-save" as never) ? XML : undefined);
  });

  it("is read packed, and once from a pipe", async () => {
    const packed = new Uint8Array(gzipSync(bytesOf(bytes)));
    for (const input of [packed, chunksOf(packed, () => 100)]) {
      const machine = await read(input);
      expect(tablesOf(machine)).toEqual(TABLES);
      expect(machine.container.layers).toEqual(["gzip", ...layers]);
    }
  });

  it("becomes a plain stream without its memory", async () => {
    const opened = await openInput(bytesOf(bytes), "x", 1);
    const { source, container: found } = await openMachine(opened, { name: "x" });
    const blank = await blankRam(source as ByteFile, { origin: found.offset });
    const pieces: number[] = [];
    for await (const chunk of blank.chunks) pieces.push(...chunk);
    const stream = await readMigration(fileOf(bytesOf(pieces)), { indexRam: true });
    expect(tablesOf({ stream, container: found })).toEqual(TABLES);
    expect([stream.capabilities, stream.postcopy, stream.remarks]).toEqual([[], undefined, []]);
    const ram = new SavedRam(stream.ramBlocks, stream.ram!, fileOf(bytesOf(pieces)));
    expect((await ram.read(RAM_BLOCK, 0, 0x2000)).every((byte) => byte === 0)).toBe(true);
    expect(pieces.length).toBeLessThan(plainStream().length + 200);
  });

  it("is refused with offset or reason wherever it is cut, or all that counts is there", async () => {
    const step = Math.max(1, Math.floor(bytes.length / times(40, 200)));
    for (let length = 16; length < bytes.length; length += step) {
      const cut = bytesOf(bytes.slice(0, length));
      const opened = await openInput(cut, "x", 1);
      if (opened.savedAt === undefined) continue;
      try {
        expect(tablesOf(await readSavedMachine(opened, { name: "x" }))).toEqual(TABLES);
      } catch (error) {
        const { code, message } = error as IommuError;
        const isRight = /^(BAD_FILE|UNSUPPORTED)$/.test(code) && /byte \d+|ends early/.test(message);
        same(isRight, true, () => `${length}: ${error}`);
      }
    }
  });
});

it("other bytes behind a packed machine are told of", async () => {
  const packed = new Uint8Array([...gzipSync(bytesOf(plainStream())), 1, 2, 3]);
  const machine = await read(packed);
  expect(tablesOf(machine)).toEqual(TABLES);
  expect(machine.stream.remarks).toMatchObject([
    { message: expect.stringMatching(/other bytes follow it \(01 02 03\)$/) },
  ]);
});

describe("memory of a machine", () => {
  it.each([
    { what: "compressed", bytes: compressedStream(PACKED_PAGE), first: 0x33, second: 0x33 },
    { what: "mapped", bytes: mappedStream(), first: 0, second: 0x77 },
    { what: "plain", bytes: plainStream(), first: 0x5a, second: 0 },
  ])("that is $what can be read", async ({ bytes, first, second }) => {
    const file = fileOf(bytesOf(bytes));
    const stream = await readMigration(file, { indexRam: true });
    const ram = new SavedRam(stream.ramBlocks, stream.ram!, file);
    const memory = await ram.read(RAM_BLOCK, 0x800, 0x1000);
    expect([memory[0], memory[0x7ff], memory[0x800], memory[0xfff]]).toEqual([first, first, second, second]);
  });
});

describe("an old machine", () => {
  it.each([true, false])("without footers is read, described: %s", async (isDescribed) => {
    const bytes = bytesOf(oldStream(isDescribed));
    for (const source of [
      fileOf(bytes),
      () => chunksOf(bytes, () => 7),
      chunksOf(bytes, () => 1),
      chunksOf(bytes, () => 1000),
    ]) {
      const stream = await readMigration(source);
      expect(stream.sections.map(({ name, dataLength }) => [name, dataLength]).slice(1)).toEqual([
        ["timer", 3],
        ["spapr_iommu", 25],
        ["l-lan@71000003/spapr_llan", 10],
      ]);
      expect([stream.machine, stream.remarks, stream.length]).toEqual([null, [], bytes.length]);
    }
  });
});

describe("a machine that is no pseries", () => {
  const q35 = [7, ...be(4, 11), ...ascii("pc-q35-11.1")];
  const bits = [5, ...named("configuration/target-page-bits"), ...be(4, 1), ...be(4, 16)];
  const ram = section(1, 2, "ram", 0, 4, [...be(8, 4), ...be(8, 0x10)]);
  const timer = section(4, 9, "timer", 0, 1, [1, 2, 3]);

  it.each([
    {
      what: "of its type",
      bytes: [...HEADER, ...q35, ...bits, ...timer, 0],
      message: /of type "pc-q35-11\.1"/,
    },
    {
      what: "without a type",
      bytes: [...HEADER, ...ram, ...timer, 0],
      message: /that does not say its type/,
    },
    {
      what: "in a disk",
      bytes: [...qcow2Disk({ snapshots: [{ name: "a", state: [...HEADER, ...q35, ...timer, 0] }] })],
      message: /of type "pc-q35-11\.1": only pseries machines have TCE tables/,
    },
  ])("is refused as such, and not said to map nothing: $what", async ({ bytes, message }) => {
    const { code, message: said } = await errorOf(read(bytesOf(bytes)));
    expect([code, said]).toEqual(["UNSUPPORTED", expect.stringMatching(message)]);
  });

  it("of a distribution is one", async () => {
    const own = [7, ...be(4, 17), ...ascii("pseries-rhel7.6.0")];
    const { stream } = await read(bytesOf([...HEADER, ...own, ...timer, 0]));
    expect(stream.machine).toBe("pseries-rhel7.6.0");
  });
});

describe("a disk", () => {
  const snapshots = [
    { name: "old", state: plainStream(), seconds: 1_600_000_000 },
    { name: "new", state: mappedStream(), seconds: 1_700_000_000 },
    { name: "disk alone", state: [], seconds: 1_800_000_000 },
  ];
  const disk = new Uint8Array(qcow2Disk({ snapshots }));

  it("has the machine of the snapshot that is named, or the newest one", async () => {
    const newest = await read(disk);
    expect(newest.container.snapshot).toEqual({
      id: "2",
      name: "new",
      seconds: 1_700_000_000,
      stateBytes: mappedStream().length,
    });
    expect(newest.container.snapshots.map(({ name }) => name)).toEqual(["old", "new", "disk alone"]);
    expect([newest.container.remarks, choiceNotes(newest.container)]).toEqual([
      [],
      ['1 more in other snapshots of this disk ("old"): this is the newest machine, "new"'],
    ]);
    for (const snapshot of ["old", "1"]) {
      const named = await read(disk, { snapshot });
      expect(named.container).toMatchObject({
        layers: ["qcow2", "stream"],
        snapshot: { name: "old" },
        remarks: [],
        others: [],
      });
    }
  });

  it.each([
    {
      what: "a snapshot that is not there",
      bytes: disk,
      snapshot: "x",
      message: /no saved machine of the name "x"; there are "old", "new"/,
      code: "BAD_ARGUMENT",
    },
    {
      what: "a snapshot of the disk alone",
      bytes: disk,
      snapshot: "disk alone",
      message: /there are "old", "new"$/,
      code: "BAD_ARGUMENT",
    },
    {
      what: "no snapshot",
      bytes: qcow2Disk({ snapshots: [] }),
      message: /it has no snapshots; savevm/,
      code: "UNSUPPORTED",
    },
    {
      what: "no machine",
      bytes: qcow2Disk({ snapshots: [{ name: "a", state: [] }] }),
      message: /are of the disk alone/,
      code: "UNSUPPORTED",
    },
    {
      what: "a stream, of which a snapshot is wanted",
      bytes: bytesOf(plainStream()),
      snapshot: "x",
      message: /is no disk with snapshots/,
      code: "BAD_ARGUMENT",
    },
    {
      what: "another version",
      bytes: disk.with(7, 4),
      message: /byte 4 \(0x4\): version 4, not 2 or 3/,
      code: "UNSUPPORTED",
    },
    { what: "encryption", bytes: disk.with(35, 1), message: /it is encrypted/, code: "UNSUPPORTED" },
    { what: "its data elsewhere", bytes: disk.with(79, 4), message: /in another file/, code: "UNSUPPORTED" },
    {
      what: "no snapshot, and a file under it",
      bytes: qcow2Disk({ snapshots: [], backing: "base.qcow2" }),
      message: /it has no snapshots, and its backing file base\.qcow2 may have some; savevm/,
      code: "UNSUPPORTED",
    },
    {
      what: "features of tomorrow",
      bytes: disk.with(72, 1),
      message: /not known \(0x100000000000000\)/,
      code: "UNSUPPORTED",
    },
    {
      what: "clusters of 2 GiB",
      bytes: disk.with(23, 31),
      message: /clusters of 2\^31 bytes/,
      code: "BAD_FILE",
    },
    {
      what: "16 million snapshots",
      bytes: disk.with(60, 1),
      message: /16777219 snapshots; at most 65536/,
      code: "BAD_FILE",
    },
    {
      what: "snapshots beyond its end",
      bytes: disk.with(67, 1),
      message: /ends within snapshot 1 of 3/,
      code: "BAD_FILE",
    },
  ])("with $what is refused", async ({ bytes, snapshot, message, code }) => {
    const error = await errorOf(read(new Uint8Array(bytes), { snapshot }));
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });

  const change = (name: string, find: (bytes: Uint8Array) => number, value: readonly number[]) => ({
    name,
    find,
    value,
  });
  const l1Of = (bytes: Uint8Array): number => {
    const table = Number(new DataView(bytes.buffer).getBigUint64(64));
    return Number(new DataView(bytes.buffer).getBigUint64(table));
  };
  const l2Of = (bytes: Uint8Array): number =>
    Number(new DataView(bytes.buffer).getBigUint64(l1Of(bytes) + 8) & 0xffff_ffffn);

  it.each([
    { ...change("a compressed cluster", l2Of, be(8, 1n << 62n)), message: /has compressed clusters/ },
    {
      ...change("a cluster beyond its end", l2Of, be(8, (1n << 63n) | 0x10_0000n)),
      message: /ends within a cluster/,
    },
    {
      ...change("a cluster beyond all measure", l2Of, be(8, 0x00ff_ffff_ffff_fe00n)),
      message: /a cluster: 0xff/,
    },
    { ...change("a list of clusters that is its own cluster", l1Of, be(8, 0)), message: undefined },
    {
      ...change("a list of clusters that is the head", (bytes) => l1Of(bytes) + 8, be(8, 1n << 63n)),
      message: /begins with 0x0/,
    },
    {
      ...change("a list of clusters beyond its end", (bytes) => l1Of(bytes) + 8, be(8, 0x10_0000)),
      message: /ends within a list of clusters/,
    },
    {
      ...change("zeros where its state begins", l2Of, be(8, 1)),
      message: /begins with 0x0, not with "QEVM"/,
    },
  ])("whose snapshot has $name is refused or read", async ({ find, value, message }) => {
    const bytes = new Uint8Array(qcow2Disk({ snapshots: [{ name: "a", state: plainStream() }] }));
    bytes.set(value, find(bytes));
    const reading = read(bytes);
    if (message === undefined) expect(tablesOf(await reading)).toEqual(TABLES);
    else expect((await errorOf(reading)).message).toMatch(message);
  });

  it("with a file under it has its machine to itself: what was never written is zero", async () => {
    const state = [...plainStream(), ...new Array<number>(1024).fill(0)];
    const bytes = new Uint8Array(qcow2Disk({ snapshots: [{ name: "a", state }], backing: "base.qcow2" }));
    const lastEntry = l2Of(bytes) + 8 * (Math.ceil(state.length / 512) - 1);
    bytes.set(be(8, 0), lastEntry);
    expect(tablesOf(await read(bytes))).toEqual(TABLES);
  });
});

describe("libvirt's image", () => {
  it("that was not written to its end says so", async () => {
    const { container } = await read(bytesOf(libvirtImage(plainStream(), { magic: "LibvirtQemudPart" })));
    expect(container.remarks).toEqual(["libvirt's image says of itself that it was not written to its end"]);
  });

  it.each([
    { what: "another version", at: 16, value: 3, message: /byte 16: is of version 3, not 2/ },
    { what: "4 GiB of description", at: 23, value: 0xff, message: /byte 20: has \d+ bytes of description/ },
    {
      what: "more description than it has",
      at: 22,
      value: 0x10,
      message: /ends within \d+ bytes of description/,
    },
  ])("with $what is refused", async ({ at, value, message }) => {
    const bytes = bytesOf(libvirtImage(plainStream()));
    bytes[at] = value;
    expect((await errorOf(read(bytes))).message).toMatch(message);
  });

  it("in one another are not followed for ever", async () => {
    let bytes = plainStream();
    for (let i = 0; i < 6; i++) bytes = libvirtImage(bytes);
    expect((await errorOf(read(bytesOf(bytes)))).message).toMatch(/more than 4 containers in one another/);
  });
});

/** A file with few bytes in it, which counts what is read of it. */
class SparseFile implements ByteFile {
  read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - offset)));
    this.bytesRead += bytes.length;
    for (const [at, piece] of this.#pieces) {
      const from = Math.max(at, offset);
      const end = Math.min(at + piece.length, offset + bytes.length);
      if (from < end) bytes.set(piece.subarray(from - at, end - at), from - offset);
    }
    return bytes;
  };
  bytesRead = 0;
  readonly size: number;
  readonly #pieces: readonly (readonly [number, Uint8Array])[];

  constructor(size: number, pieces: readonly (readonly [number, Uint8Array])[]) {
    this.size = size;
    this.#pieces = pieces;
  }
}

describe("a hole of zeros that is longer than what is searched for a stream", () => {
  const HOLE = 5 * 2 ** 20 + 3;
  const fileBehind = (bytes: readonly number[]): SparseFile =>
    new SparseFile(HOLE + bytes.length, [[HOLE, bytesOf(bytes)]]);

  it("is passed over in a file", async () => {
    const machine = await read(fileBehind(mappedStream(HOLE)));
    expect(tablesOf(machine)).toEqual(TABLES);
    expect(machine.container).toMatchObject({ layers: ["mapped-ram"], offset: HOLE });
  });

  it("has no machine behind it where something else is there, or nothing", async () => {
    for (const bytes of [[0x51, 0x45, 0x56, 0x4e, ...plainStream()], []])
      expect((await openInput(fileBehind(bytes), "x", 1)).savedAt).toBeUndefined();
  });
});

describe("a file of 64 GiB", () => {
  const HUGE = 64 * 2 ** 30;

  it("with mapped pages is opened by what is needed of it", async () => {
    // The same stream as a small one, with a larger block: head, bitmap and pages become longer.
    const small = mappedStream();
    const at = (bytes: readonly number[]): number => Buffer.from(small).indexOf(Buffer.from(bytes));
    const head = bytesOf(small.slice(0, at([...be(4, 1), ...be(8, 4096)]) + 28));
    const rest = bytesOf(
      small.slice(at([...be(4, 1), ...be(8, 4096)]) + 28 + 1).slice(-(small.length - 0x3000)),
    );
    const view = new DataView(head.buffer);
    const total = Buffer.from(head).indexOf(Buffer.from(be(8, 0x2004)));
    view.setBigUint64(total, BigInt(HUGE + 4));
    view.setBigUint64(total + 8 + 1 + RAM_BLOCK.length, BigInt(HUGE));
    const pages = 4 * 2 ** 20;
    view.setBigUint64(head.length - 8, BigInt(pages));
    const file = new SparseFile(pages + HUGE + rest.length, [
      [0, head],
      [pages + HUGE, rest],
    ]);
    expect(tablesOf(await read(file))).toEqual(TABLES);
    expect(file.bytesRead).toBeLessThan(16 * 2 ** 20);
  });

  it("of a disk is opened by what is needed of it", async () => {
    const disk = qcow2Disk({ snapshots: [{ name: "a", state: plainStream() }] });
    // Everything but the head lies at the end.
    const moved = new Uint8Array(disk);
    const view = new DataView(moved.buffer);
    const move = (at: number): void => {
      const value = view.getBigUint64(at);
      if ((value & 0xffff_ffffn) !== 0n) view.setBigUint64(at, value + BigInt(HUGE));
    };
    const table = Number(view.getBigUint64(64));
    const l1 = Number(view.getBigUint64(table));
    const l2 = Number(view.getBigUint64(l1 + 8) & 0xffff_ffffn);
    for (let entry = 0; entry < 64; entry++) move(l2 + 8 * entry);
    for (const at of [64, table, l1 + 8]) move(at);
    const file = new SparseFile(HUGE + moved.length, [
      [0, moved.subarray(0, 512)],
      [HUGE, moved],
    ]);
    expect(tablesOf(await read(file))).toEqual(TABLES);
    expect(file.bytesRead).toBeLessThan(16 * 2 ** 20);
  });
});

it("an input that can be read again is one", () => {
  expect(typeof rawSource(() => chunksOf(new Uint8Array(1), () => 1))).toBe("function");
});
