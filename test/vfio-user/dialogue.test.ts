import { describe, expect, it } from "vitest";
import { MailboxRegister } from "../../src/vfio-user/devices/mailbox-dma.ts";
import { MigrationState, migrationPath } from "../../src/vfio-user/protocol/migration-state.ts";
import { Feature } from "../../src/vfio-user/protocol/payloads.ts";
import { LIBVFIO_USER, SPECIFICATION } from "../../src/vfio-user/server/profile.ts";
import { sameBytes } from "../helpers/same.ts";
import {
  DELAY,
  INTERRUPT,
  PAGE,
  type PluggedOptions,
  plugged,
  QUEUE,
  READ,
  WRITE,
  windowMessages,
} from "./plugged.ts";

const BUS_MASTER = 4;
const pattern = (bytes: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * 7 + seed) & 0xff);
const ERRNO = MailboxRegister.ERRNO;

const MODES: readonly (PluggedOptions & { readonly name: string })[] = [
  { name: "specification, one command", profile: SPECIFICATION, mode: "single" },
  { name: "specification, pipelined", profile: SPECIFICATION, mode: "pipelined" },
  { name: "libvfio-user, one command", profile: LIBVFIO_USER, mode: "single" },
];

describe.each(MODES)("client and server ($name)", (mode) => {
  it("describes the device", async () => {
    const { host } = await plugged(mode);
    const { version, regions, irqs, flags } = host.description;
    expect({ version, flags }).toEqual({ version: "0.2", flags: 3 });
    expect(regions.map(({ size }) => Number(size))).toEqual([0x2_0000, 0, 0, 0, 0, 0, 0, 256, 0]);
    expect(irqs.map(({ count }) => count)).toEqual([1, 1, 2, 1, 1]);
    expect(await host.read(7, 0n, 4)).toEqual(Uint8Array.of(0x36, 0x1b, 0xff, 0x0f));
  });

  it("sizes a BAR", async () => {
    const { host } = await plugged(mode);
    await host.write(7, 0x10n, Uint8Array.of(0xff, 0xff, 0xff, 0xff));
    expect(await host.read(7, 0x10n, 4)).toEqual(Uint8Array.of(0, 0, 0xfe, 0xff));
  });

  it("carries DMA both ways, of one page and over pages that lie apart", async () => {
    const { put, setCommand, transfer, buffer, fillBuffer, memory, setMemory, register, refused } =
      await plugged(mode);
    await setCommand(BUS_MASTER);
    await put(0n, 0x20_0003n);
    await put(PAGE, 0x50_0003n);
    setMemory(0x20_0800n, pattern(16));
    await transfer(READ, 0x800n, 16);
    expect(await register(ERRNO)).toBe(0);
    expect(await buffer(16)).toEqual(pattern(16));
    await fillBuffer(pattern(4096, 9));
    await transfer(WRITE, 0n, 4096);
    sameBytes(memory(0x20_0000n, 4096), pattern(4096, 9));
    await transfer(WRITE, 0x800n, 4096);
    // libvfio-user takes one window for a transfer.
    const isOneWindow = mode.profile === LIBVFIO_USER;
    expect(await register(ERRNO)).toBe(isOneWindow ? 95 : 0);
    if (!isOneWindow) {
      sameBytes(memory(0x20_0800n, 0x800), pattern(4096, 9).subarray(0, 0x800));
      sameBytes(memory(0x50_0000n, 0x800), pattern(4096, 9).subarray(0x800));
    }
    expect(refused()).toEqual([]);
  });

  it("announces what the guest does, and nothing else", async () => {
    const { put, wire, host, machine } = await plugged(mode);
    windowMessages(wire);
    expect(await put(0n, 0x20_0003n)).toBe(0);
    expect(windowMessages(wire)).toEqual(["MAP 3 0+1000"]);
    await put(PAGE, 0x20_0001n);
    await put(2n * PAGE, 0x20_0002n);
    expect(windowMessages(wire)).toEqual(["MAP 1 1000+1000", "MAP 2 2000+1000"]);
    // The same again, and entries that were never mapped.
    await put(0n, 0x20_0003n);
    await put(0x10_0000n, 0n);
    expect(windowMessages(wire)).toEqual([]);
    // Another page, another permission.
    await put(0n, 0x30_0003n);
    await put(PAGE, 0x20_0003n);
    expect(windowMessages(wire)).toEqual([
      "UNMAP 0+1000",
      "MAP 3 0+1000",
      "UNMAP 1000+1000",
      "MAP 3 1000+1000",
    ]);
    // To no memory: what was there goes.
    await put(0n, 0x7000_0000_0003n);
    await put(PAGE, 0n);
    expect(windowMessages(wire)).toEqual(["UNMAP 0+1000", "UNMAP 1000+1000"]);
    machine.call(0x138, 0x8000_0000n, 0x10_0000n, 0x40_0003n, 3n);
    await host.settle();
    expect(windowMessages(wire)).toEqual(["MAP 3 100000+1000", "MAP 3 101000+1000", "MAP 3 102000+1000"]);
    expect(host.windows.length).toBe(4);
  });

  it("refuses what the guest does not permit, and says why", async () => {
    const { put, setCommand, transfer, register, refused, session } = await plugged(mode);
    await setCommand(BUS_MASTER);
    await put(0n, 0x20_0001n);
    await put(PAGE, 0x20_0002n);
    // The device does not look, so that all comes to the client.
    const why = async (act: Promise<unknown>): Promise<string> => {
      await act.catch(() => {});
      const record = refused().at(-1)!;
      return `${record.errno} ${record.refusal}: ${record.why}`;
    };
    expect(await why(session.uncheckedWrite(0x10n, pattern(8)))).toBe(
      "13 read-only: 0x0000000000000000-0x0000000000000fff (r-) may not be written",
    );
    expect(await why(session.uncheckedRead(0x1010n, 8))).toBe(
      "13 write-only: 0x0000000000001000-0x0000000000001fff (-w) may not be read",
    );
    expect(await why(session.uncheckedWrite(0x1ffcn, pattern(8)))).toBe(
      "14 beyond: it begins in a window and runs 0x4 bytes past the end of 0x0000000000001000-0x0000000000001fff (-w), where nothing is mapped",
    );
    expect(await why(session.uncheckedWrite(0x2010n, pattern(8)))).toBe(
      "14 missing: nothing is mapped there; it begins 0x10 bytes behind 0x0000000000001000-0x0000000000001fff (-w)",
    );
    expect(await why(session.uncheckedRead(0x1000_0000n, 8))).toBe(
      "14 missing: nothing is or was mapped near 0x0000000010000000",
    );
    await put(PAGE, 0n);
    expect(await why(session.uncheckedWrite(0x1010n, pattern(8)))).toMatch(
      /^14 stale: 0x0000000000001000-0x0000000000001fff \(-w\) was unmapped by message \d+, which the device answered$/,
    );
    expect(await why(session.uncheckedRead(0xffff_ffff_ffff_fffcn, 8))).toMatch(
      /^14 beyond: 8 bytes .* pass the top/,
    );
    await setCommand(0);
    expect(await why(session.uncheckedRead(0n, 8))).toMatch(/^13 bus-master-off/);
    // A device that looks sees the same without a message.
    const before = refused().length;
    await setCommand(BUS_MASTER);
    await transfer(READ, PAGE, 8);
    expect(await register(ERRNO)).toBe(2);
    expect(refused().length).toBe(before);
  });

  it("is all or nothing: a write that is refused changes no byte", async () => {
    const { put, setCommand, session, memory } = await plugged(mode);
    await setCommand(BUS_MASTER);
    await put(0n, 0x20_0003n);
    await expect(session.uncheckedWrite(0xff0n, pattern(32))).rejects.toThrow("EFAULT");
    expect(memory(0x20_0ff0n, 16)).toEqual(new Uint8Array(16));
  });

  it("lets a device finish while its windows change, and refuses what is being torn down", async () => {
    const { put, setCommand, transfer, dma, memory, fillBuffer, register } = await plugged(mode);
    await setCommand(BUS_MASTER);
    await put(0n, 0x20_0003n);
    await fillBuffer(pattern(16));
    await transfer(WRITE | QUEUE, 0n, 16);
    // The mailbox finishes what waits before another window is mapped.
    await put(PAGE, 0x30_0003n);
    expect(memory(0x20_0000n, 16)).toEqual(pattern(16));
    await transfer(READ | QUEUE, PAGE, 16);
    await put(PAGE, 0n);
    expect(dma.at(-1)).toMatchObject({ errno: 14, refusal: "torn-down" });
    expect(dma.at(-1)?.why).toBe(
      "0x0000000000001000-0x0000000000001fff (rw) is being torn down: its DMA_UNMAP is not answered",
    );
    expect(await register(ERRNO)).toBe(14);
    await transfer(READ | QUEUE, 0n, 16);
    await put(0n, 0x40_0003n);
    expect(dma.at(-1)?.why).toMatch(/is being replaced/);
  });

  it("serves DMA while a reset is open, and refuses it afterwards", async () => {
    const { host, put, setCommand, transfer, dma, session } = await plugged(mode);
    await setCommand(BUS_MASTER);
    await put(0n, 0x20_0003n);
    await transfer(READ | QUEUE, 0n, 16);
    await host.reset();
    expect(dma.at(-1)).toMatchObject({ errno: 0, bytes: 16 });
    await expect(session.dmaRead(0n, 16)).rejects.toThrow("EFAULT");
    expect(dma.at(-1)).toMatchObject({ refusal: "after-reset" });
  });

  it("takes interrupts that come as messages", async () => {
    const { host, put, setCommand, transfer, interrupts } = await plugged(mode);
    await setCommand(BUS_MASTER);
    await put(0n, 0x20_0003n);
    await transfer(READ | INTERRUPT, 0n, 4);
    expect(interrupts).toEqual([]);
    const msi = new Uint8Array(12);
    new DataView(msi.buffer).setBigUint64(2, 0x400_0000_0000n, true);
    msi[0] = 1;
    msi[10] = 0x21;
    await host.write(7, 0x42n, msi);
    await transfer(READ | INTERRUPT, 0n, 4);
    expect(interrupts).toEqual([0x21]);
  });

  it("logs the pages that the device writes", async () => {
    const { host, put, setCommand, transfer } = await plugged(mode);
    await setCommand(BUS_MASTER);
    for (let page = 0n; page < 4n; page++) await put(page * PAGE, 0x20_0003n + page * PAGE);
    expect(() => host.dirtyPages(0n, 0x4000n)).toThrow("not logged");
    host.startDirtyLog(4096n);
    await transfer(WRITE, PAGE, 16);
    await transfer(READ, 2n * PAGE, 16);
    await transfer(WRITE, 3n * PAGE, 4096);
    expect([...host.dirtyPages(0n, 0x4000n)]).toEqual([0b1010n]);
    expect([...host.dirtyPages(0n, 0x4000n)]).toEqual([0n]);
  });

  it("carries its state out of one device and into another one, which goes on with it", async () => {
    const from = await plugged(mode);
    await from.setCommand(BUS_MASTER);
    await from.put(0n, 0x20_0003n);
    await from.fillBuffer(pattern(0x1_0000, 3));
    // What waits for a register is finished before the device stops; what waits for its clock goes with it.
    await from.transfer(WRITE | QUEUE, 0x800n, 64);
    await from.setRegister(MailboxRegister.DELAY, 60_000);
    await from.transfer(WRITE | DELAY, 0x10n, 64);
    expect(await from.host.client.migration.support()).toBe(1n);
    const state = await from.host.saveState();
    expect(from.memory(0x20_0800n, 64)).toEqual(pattern(64, 3));
    expect(await from.host.client.migration.state()).toBe(MigrationState.STOP);

    const to = await plugged(mode);
    await to.setCommand(BUS_MASTER);
    await to.put(0n, 0x50_0003n);
    await to.host.loadState(state);
    expect(await to.host.client.migration.state()).toBe(MigrationState.RUNNING);
    sameBytes(await to.buffer(0x1_0000), pattern(0x1_0000, 3));
    expect(await to.register(MailboxRegister.QUEUED)).toBe(1);
    await to.setRegister(MailboxRegister.KICK, 1);
    expect(to.memory(0x50_0010n, 64)).toEqual(pattern(64, 3));
    expect(from.memory(0x20_0010n, 64)).toEqual(new Uint8Array(64));
    expect([...from.refused(), ...to.refused()]).toEqual([]);
    await expect(to.host.loadState(state.subarray(1))).rejects.toMatchObject({ code: "REFUSED", errno: 22 });
  });

  it("refuses DMA of a device that stands still, and takes it again when it runs", async () => {
    const { host, put, setCommand, session, refused } = await plugged(mode);
    await setCommand(BUS_MASTER);
    await put(0n, 0x20_0003n);
    const state = await host.saveState();
    await expect(session.uncheckedRead(0n, 8)).rejects.toMatchObject({ errno: 14 });
    expect(refused().map(({ refusal }) => refusal)).toEqual(["stopped"]);
    await host.loadState(state);
    expect((await session.uncheckedRead(0n, 8)).length).toBe(8);
  });

  it("keeps a write whole that takes many messages", async () => {
    const { buffer, fillBuffer } = await plugged(mode);
    const data = pattern(0x1_0000, 3);
    await fillBuffer(data);
    sameBytes(await buffer(0x1_0000), data);
  });

  it("goes away on both sides", async () => {
    const { host, session, machine, put } = await plugged(mode);
    await put(0n, 0x20_0003n);
    host.unplug();
    expect((await session.closed).message).toMatch("client: the other side closed the connection");
    expect(session.windows).toEqual([]);
    expect(machine.call(0x20, 0x8000_0000n, 0n, 0n).status).toBe(0);
    await expect(host.read(7, 0n, 4)).rejects.toThrow("the connection was closed");
  });
});

describe("logging by the device (specification)", () => {
  it("reports the pages it wrote, and with a DMA_UNMAP those of the window", async () => {
    const { host, put, setCommand, transfer } = await plugged({ profile: SPECIFICATION });
    const { client } = host;
    await setCommand(BUS_MASTER);
    for (let page = 0n; page < 4n; page++) await put(page * PAGE, 0x20_0003n + page * PAGE);
    await expect(client.writeLog.report(0n, 0x4000n, 4096n)).rejects.toMatchObject({ errno: 22 });
    const nothing = new Uint8Array(0);
    expect(await client.features.use(Feature.DMA_LOGGING_START, "probe", nothing)).toEqual(nothing);
    await expect(client.features.use(0xff, "probe", nothing)).rejects.toMatchObject({ errno: 22 });
    await client.writeLog.start(4096n, [{ first: 0n, last: 0x3fffn }]);
    await transfer(WRITE, PAGE, 16);
    await transfer(WRITE, 3n * PAGE, 16);
    expect([...(await client.writeLog.report(0n, 0x4000n, 4096n))]).toEqual([0b1010n]);
    await transfer(WRITE, 2n * PAGE, 16);
    await transfer(READ, 3n * PAGE, 16);
    const window = (page: bigint) => ({ first: page * PAGE, last: page * PAGE + 0xfffn });
    expect([...(await client.writeLog.unmap(window(2n), 4096n))]).toEqual([1n]);
    expect([...(await client.writeLog.unmap(window(3n), 4096n))]).toEqual([0n]);
    await expect(client.writeLog.unmap(window(0n), 65_536n)).rejects.toMatchObject({ errno: 22 });
    await client.writeLog.stop();
    await expect(client.writeLog.unmap(window(0n), 4096n)).rejects.toMatchObject({ errno: 22 });
    await client.dmaUnmap(window(0n));
  });
});

describe("ways between states of migration", () => {
  const { ERROR, STOP, RUNNING, STOP_COPY, RESUMING, PRE_COPY } = MigrationState;
  it.each([
    [RUNNING, STOP_COPY, true, [STOP, STOP_COPY]],
    [RUNNING, RESUMING, true, [STOP, RESUMING]],
    [STOP_COPY, RUNNING, true, [STOP, RUNNING]],
    [STOP_COPY, RESUMING, true, [STOP, RESUMING]],
    [RESUMING, STOP_COPY, true, [STOP, STOP_COPY]],
    [PRE_COPY, STOP_COPY, true, [STOP_COPY]],
    // Not by STOP_COPY, in which data are saved.
    [PRE_COPY, STOP, true, [RUNNING, STOP]],
    [PRE_COPY, RESUMING, true, [RUNNING, STOP, RESUMING]],
    [STOP, PRE_COPY, true, [RUNNING, PRE_COPY]],
    [RUNNING, PRE_COPY, false, undefined],
    [RUNNING, RUNNING, true, []],
    [RUNNING, ERROR, true, undefined],
    [ERROR, RUNNING, true, undefined],
    [RUNNING, 5, true, undefined],
  ])("from %i to %i (pre-copy: %s)", (from, to, preCopy, path) => {
    expect(migrationPath(from, to, preCopy)).toEqual(path);
  });
});
