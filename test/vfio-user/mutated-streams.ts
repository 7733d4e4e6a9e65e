import { expect } from "vitest";
import { IommuError } from "../../src/base/errors.ts";
import { Machine } from "../../src/spapr/machine.ts";
import { Hcall } from "../../src/spapr/papr.ts";
import { DeviceHost } from "../../src/vfio-user/client/device-host.ts";
import { MailboxCommand, MailboxDma, MailboxRegister } from "../../src/vfio-user/devices/mailbox-dma.ts";
import { memoryChannels } from "../../src/vfio-user/memory-channel.ts";
import type { ByteChannel } from "../../src/vfio-user/protocol/channel.ts";
import { MigrationState } from "../../src/vfio-user/protocol/migration-state.ts";
import { LIBVFIO_USER, SPECIFICATION } from "../../src/vfio-user/server/profile.ts";
import { ServerSession } from "../../src/vfio-user/server/session.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { GOLDEN } from "./golden-frames.ts";

const LIOBN = 0x8000_0000n;
/** Mutated streams may ask for memory, and never get more than this at a time. */
const MAX_GROWTH = 64 * 2 ** 20;

/** What a host does with a device, from the first word to the last. */
async function talk(machine: Machine, channel: ByteChannel): Promise<void> {
  const host = await DeviceHost.plug(machine, channel);
  try {
    const put = async (ioba: bigint, tce: bigint): Promise<void> => {
      machine.call(Hcall.PUT_TCE, LIOBN, ioba, tce);
      await host.settle();
    };
    await host.write(7, 4n, Uint8Array.of(4, 0));
    await put(0n, 0x20_0003n);
    await put(0x1000n, 0x30_0001n);
    const transfer = new Uint8Array(20);
    transfer[8] = 16;
    for (const command of [MailboxCommand.READ, MailboxCommand.WRITE]) {
      transfer[16] = command;
      await host.write(0, BigInt(MailboxRegister.ADDRESS), transfer);
    }
    await host.read(0, BigInt(MailboxRegister.ERRNO), 4);
    await put(0n, 0x40_0003n);
    await put(0x1000n, 0n);
    await host.reset();
    await host.disableIrqs(1);
    await host.client.writeLog.start(4096n, []);
    await host.client.writeLog.report(0n, 0x4000n, 4096n);
    await host.client.writeLog.stop();
    await host.client.migration.state();
    await host.client.migration.setState(MigrationState.STOP_COPY);
    const state = await host.client.migration.read(64);
    await host.client.migration.setState(MigrationState.RESUMING);
    await host.client.migration.write(state);
    await host.reset();
  } finally {
    host.unplug();
  }
}

/** The messages of both sides in such a talk. */
async function recorded(): Promise<{ client: Uint8Array[]; server: Uint8Array[] }> {
  const [client, server] = memoryChannels();
  const sent = { client: [] as Uint8Array[], server: [] as Uint8Array[] };
  for (const [name, channel] of [
    ["client", client],
    ["server", server],
  ] as const) {
    const send = channel.send.bind(channel);
    channel.send = (bytes) => {
      sent[name].push(bytes.slice());
      send(bytes);
    };
  }
  new ServerSession(server, new MailboxDma());
  await talk(new Machine(), client);
  return sent;
}

/** A list of messages with something wrong in it: bytes, lengths, order, or a piece of another stream. */
function mutated(messages: readonly Uint8Array[], random: Random): Uint8Array[] {
  const list = messages.map((message) => message.slice());
  const changes = 1 + random.below(3);
  for (let i = 0; i < changes; i++) {
    const at = random.below(list.length);
    const message = list[at]!;
    switch (random.below(8)) {
      case 0:
        message[random.below(message.length)]! ^= 1 << random.below(8);
        break;
      case 1:
        message[random.below(Math.min(16, message.length))] = random.pick([
          0, 1, 0x10, 0x20, 0x21, 0x7f, 0x80, 0xff,
        ]);
        break;
      case 2:
        if (message.length >= 8)
          new DataView(message.buffer).setUint32(
            4,
            random.pick([0, 15, 16, 17, 65_536, 2 ** 20, 2 ** 31, 2 ** 32 - 1]),
            true,
          );
        break;
      case 3:
        list[at] = message.slice(0, random.below(message.length + 1));
        break;
      case 4:
        list.splice(at, 1);
        break;
      case 5:
        list.splice(at, 0, list[random.below(list.length)]!.slice());
        break;
      case 6:
        list.splice(at, 0, random.pick(Object.values(GOLDEN)).slice());
        break;
      default:
        list.splice(
          at,
          0,
          Uint8Array.from({ length: random.below(64) }, () => random.below(256)),
        );
    }
    if (list.length === 0) list.push(new Uint8Array(0));
  }
  return list;
}

/** The same bytes in other pieces; most streams come as they were sent. */
function cut(message: Uint8Array, random: Random): Uint8Array[] {
  if (random.chance(0.7) || message.length < 2) return [message];
  const at = 1 + random.below(message.length - 1);
  return [message.slice(0, at), message.slice(at)];
}

/** Gives a client what a server never sent. */
async function attackClient(messages: readonly Uint8Array[], random: Random): Promise<string> {
  const [client, server] = memoryChannels();
  let next = 0;
  const answer = (): void => {
    const message = messages[next++];
    if (message === undefined) server.close();
    else for (const piece of cut(message, random)) server.send(piece);
  };
  server.onBytes = answer;
  const outcome = talk(new Machine(), client).then(
    () => "ok",
    (error: unknown) => {
      if (!(error instanceof IommuError)) throw error;
      return error.code;
    },
  );
  // Where the client waits for more, more comes, until there is none.
  let isOver = false;
  const over = outcome.finally(() => {
    isOver = true;
  });
  for (let turns = 0; !isOver; turns++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!isOver) answer();
    expect(turns, "turns of a stream").toBeLessThan(1000);
  }
  await over;
  return await outcome;
}

/** Gives a server what a client never sent. */
async function attackServer(messages: readonly Uint8Array[], random: Random): Promise<string> {
  const [client, server] = memoryChannels();
  const profile = random.chance(0.5) ? LIBVFIO_USER : SPECIFICATION;
  const session = new ServerSession(server, new MailboxDma(), profile);
  for (const message of messages) {
    for (const piece of cut(message, random)) client.send(piece);
    // Some come one after the other, some before the last one is served.
    if (random.chance(0.5)) for (let turn = 0; turn < 8; turn++) await undefined;
  }
  client.close();
  return (await session.closed).code;
}

/** Rounds after which each end was reached. */
const CAMPAIGN = 20_000;

/** Mutated streams to both sides: each ends, with an error of ours or none, and nothing grows. */
export async function mutatedStreams(count: number): Promise<void> {
  const { client, server } = await recorded();
  const random = new Random(runSeed());
  const before = process.memoryUsage().arrayBuffers;
  const outcomes = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const outcome = await attackClient(mutated(server, random), random);
    const other = await attackServer(mutated(client, random), random);
    for (const key of [`client ${outcome}`, `server ${other}`])
      outcomes.set(key, (outcomes.get(key) ?? 0) + 1);
    if (i % 256 === 0) {
      // A turn of the process, in which an error that nobody took would end it.
      await new Promise((resolve) => setImmediate(resolve));
      expect(process.memoryUsage().arrayBuffers - before, `round ${i} of seed ${random.seed}`).toBeLessThan(
        MAX_GROWTH,
      );
    }
  }
  // A campaign reaches all ends there are; a message that is refused as a whole is rare.
  const ends = ["client PEER", "client ok", "server PEER", ...(count >= CAMPAIGN ? ["client REFUSED"] : [])];
  expect([...outcomes.keys()].sort()).toEqual(expect.arrayContaining(ends));
}
