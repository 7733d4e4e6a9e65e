import path from "node:path";
import { expect, it } from "vitest";
import { findQemu } from "../../src/live/qemu-program.ts";
import { listenForHosts } from "../../src/live/vfio-user-socket.ts";
import {
  MAILBOX_BUFFER,
  MailboxCommand,
  MailboxDma,
  MailboxRegister,
} from "../../src/vfio-user/devices/mailbox-dma.ts";
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
const folder = scratchFolder();

/** The PC's program lies beside the pSeries one (scripts/fetch-qemu.sh). */
const pcProgram = async (): Promise<string> =>
  path.join(path.dirname((await findQemu()).program), "qemu-system-x86_64");

/** A PC with the mailbox in slot 3, its BAR mapped, and DMA permitted. */
async function pcWithMailbox(name: string) {
  const socket = path.join(folder, name);
  const mailbox = new MailboxDma();
  let session: ServerSession | undefined;
  const listening = await listenForHosts(socket, (channel) => {
    session = new ServerSession(channel, mailbox);
    return session.closed;
  });
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
