import path from "node:path";
import { expect, it } from "vitest";
import { findPassingPython } from "../../src/live/file-passer.ts";
import { findQemu } from "../../src/live/qemu-program.ts";
import { listenForHosts } from "../../src/live/vfio-user-socket.ts";
import {
  MAILBOX_BUFFER,
  MailboxCommand,
  MailboxDma,
  MailboxRegister,
} from "../../src/vfio-user/devices/mailbox-dma.ts";
import type { ByteChannel } from "../../src/vfio-user/protocol/channel.ts";
import { ServerSession } from "../../src/vfio-user/server/session.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { QtestPc } from "./qtest-pc.ts";
import { until } from "./until.ts";

const BAR = 0xe000_0000;
const COMMAND = 4;
const BAR0 = 0x10;
/** Memory and bus master. */
const ON = 6;
const PAGE = 4096;
const MSI = 0x40;
const MSI_ENABLE = 0x1_0000;
const folder = scratchFolder();

/** The PC's program lies beside the pSeries one (scripts/fetch-qemu.sh). */
const pcProgram = async (): Promise<string> =>
  path.join(path.dirname((await findQemu()).program), "qemu-system-x86_64");

/** A PC with the mailbox in slot 3, its BAR mapped, and DMA permitted. */
async function pcWithMailbox(name: string, passFiles = false) {
  const socket = path.join(folder, name);
  const mailbox = new MailboxDma();
  let session: ServerSession | undefined;
  const serve = (channel: ByteChannel): Promise<unknown> => {
    session = new ServerSession(channel, mailbox);
    return session.closed;
  };
  const listening = await listenForHosts(socket, serve, { passFiles });
  const pc = await QtestPc.start(await pcProgram(), socket);
  await pc.configWrite(BAR0, BAR);
  await pc.configWrite(COMMAND, ON);
  const register = (offset: number): number => {
    const bytes = new Uint8Array(4);
    void mailbox.bars[0]!.read(offset, bytes);
    return new DataView(bytes.buffer).getUint32(0, true);
  };
  /** A transfer, as a driver starts one. QEMU answers DMA of a device while no access waits, so it is not asked whether it is done. */
  const transfer = async (command: number, address: number, bytes: number): Promise<number> => {
    const done = register(MailboxRegister.DONE);
    await pc.writeWord(BAR + MailboxRegister.ADDRESS, address);
    await pc.writeWord(BAR + MailboxRegister.ADDRESS + 4, 0);
    await pc.writeWord(BAR + MailboxRegister.LENGTH, bytes);
    await pc.writeWord(BAR + MailboxRegister.COMMAND, command);
    await until(
      () => register(MailboxRegister.DONE) > done,
      () => `the transfer (${pc.stderr})`,
      10,
    );
    return register(MailboxRegister.ERRNO);
  };
  const stop = async (): Promise<void> => {
    await pc.stop();
    await listening.close();
  };
  return { pc, session: session!, transfer, stop };
}

it("a device in TypeScript runs in a real PC: a driver finds it, and DMA goes both ways", async () => {
  const { pc, session, transfer, stop } = await pcWithMailbox("mailbox");
  try {
    expect(await pc.configRead(0)).toBe(0x0fff_1b36);
    expect(await pc.readWord(BAR)).toBe(0x3158_424d);
    expect(session.busMaster).toBe(true);
    // The PC's memory is there as windows without files.
    expect(session.windows.some(({ first, last }) => first <= 0x10_0000n && last >= 0x20_0000n)).toBe(true);

    const data = Uint8Array.from({ length: 2 * PAGE }, (_, i) => (i * 7 + 3) & 0xff);
    await pc.writeMemory(0x10_0000, data);
    expect(await transfer(MailboxCommand.READ, 0x10_0000, data.length)).toBe(0);
    expect(await pc.readWord(BAR + MAILBOX_BUFFER.offset)).toBe(new DataView(data.buffer).getUint32(0, true));
    expect(await transfer(MailboxCommand.WRITE, 0x18_0800, data.length)).toBe(0);
    expect(await pc.readMemory(0x18_0800, data.length)).toEqual(data);

    // Where nothing is, it does not even ask; with the bus master bit off, QEMU refuses.
    expect(await transfer(MailboxCommand.READ, pc.memoryBytes + 0x1000_0000, 16)).toBe(2);
    await expect(session.uncheckedRead(BigInt(pc.memoryBytes) + 0x1000_0000n, 16)).rejects.toMatchObject({
      errno: 19,
    });
    await pc.configWrite(COMMAND, 2);
    await expect(session.uncheckedRead(0x10_0000n, 16)).rejects.toMatchObject({ errno: 19 });
  } finally {
    await stop();
  }
});

const python = await findPassingPython().catch((error: Error) => error);
if (python instanceof Error) console.log(`NOT TESTED: interrupts in a real PC: ${python.message}`);
else {
  it("interrupts of a device in TypeScript reach a real PC, by the files that QEMU passes", async () => {
    const { pc, session, transfer, stop } = await pcWithMailbox("interrupts", true);
    try {
      // A message to memory, where it can be seen.
      const [address, data] = [0x20_0000, 0x4321];
      await pc.configWrite(MSI + 4, address);
      await pc.configWrite(MSI + 8, 0);
      await pc.configWrite(MSI + 12, data);
      await pc.configWrite(MSI, (await pc.configRead(MSI)) | MSI_ENABLE);
      expect(await pc.readWord(address)).toBe(0);
      // Nothing of it goes through the device's own DMA: QEMU hears of a file and writes the message.
      expect(await transfer(MailboxCommand.READ | MailboxCommand.INTERRUPT, 0x10_0000, 16)).toBe(0);
      let word = 0;
      await until(
        async () => {
          word = await pc.readWord(address);
          return word !== 0;
        },
        () => `the interrupt (${pc.stderr})`,
        10,
      );
      expect(word).toBe(data);
      await pc.configWrite(MSI, (await pc.configRead(MSI)) & ~MSI_ENABLE);
      // Without MSI the line is there, which QEMU gave a file for, too.
      await pc.command("irq_intercept_in ioapic");
      await session.raise("intx");
      await until(() => pc.interrupts.length > 0, "the line", 10);
    } finally {
      await stop();
    }
  });
}
