import { expect } from "vitest";
import { MailboxDma } from "../../src/vfio-user/devices/mailbox-dma.ts";
import { memoryChannels } from "../../src/vfio-user/memory-channel.ts";
import type { PassedFile } from "../../src/vfio-user/protocol/channel.ts";
import { HEADER_BYTES } from "../../src/vfio-user/protocol/layout.ts";
import { Command, encodeMessage, kept, type Message } from "../../src/vfio-user/protocol/message.ts";
import { bodyBySize, MessageReader } from "../../src/vfio-user/protocol/message-reader.ts";
import { DmaMap, DmaUnmap } from "../../src/vfio-user/protocol/payloads.ts";
import { type Capabilities, versionFrame } from "../../src/vfio-user/protocol/version.ts";
import type { PciDeviceModel } from "../../src/vfio-user/server/device-model.ts";
import type { ServerProfile } from "../../src/vfio-user/server/profile.ts";
import { ServerSession } from "../../src/vfio-user/server/session.ts";
import { realTimers } from "./plugged.ts";

/** A client that sends any bytes, and sees whole messages. */
export class RawClient {
  readonly session: ServerSession;
  readonly #channel;
  readonly #reader = new MessageReader(bodyBySize(2 ** 21));
  readonly received: Message[] = [];
  #id = 0;
  end: string | undefined;

  constructor(profile: ServerProfile, device: PciDeviceModel = new MailboxDma({ timers: realTimers })) {
    const [client, server] = memoryChannels(true);
    this.#channel = client;
    client.onBytes = (bytes, files) => {
      this.#reader.push(bytes, files);
      for (let next = this.#reader.next(); next !== undefined; next = this.#reader.next())
        this.received.push(kept(next));
      this.#reader.hold();
    };
    client.onClosed = (reason) => {
      this.end = reason;
    };
    this.session = new ServerSession(server, device, profile);
  }

  static async negotiated(
    profile: ServerProfile,
    device?: PciDeviceModel,
    said: Partial<Capabilities> = {},
  ): Promise<RawClient> {
    const client = new RawClient(profile, device);
    await client.ask(Command.VERSION, versionFrame(2, said).subarray(HEADER_BYTES));
    return client;
  }

  send(bytes: Uint8Array, files?: readonly PassedFile[]): void {
    this.#channel.send(bytes, files);
  }

  /** An event to give to the server, and how often it was signalled. */
  event(): { file: PassedFile; times: () => number } {
    let times = 0;
    const file = this.#channel.files!.event((count) => {
      times += count;
    });
    return { file, times: () => times };
  }

  close(): void {
    this.#channel.close();
  }

  frame(command: number, body: Uint8Array, flags = 0): Uint8Array {
    return encodeMessage({ id: this.#id++, command, flags, errno: 0, body });
  }

  async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Sends a command; the messages that came by the time that nothing moves any more. */
  async ask(command: number, body: Uint8Array, flags = 0): Promise<Message[]> {
    return await this.say(this.frame(command, body, flags));
  }

  async say(...pieces: readonly Uint8Array[]): Promise<Message[]> {
    this.received.length = 0;
    for (const piece of pieces) this.send(piece.slice());
    await this.turn();
    return [...this.received];
  }

  /** Errno, or 0, of the one reply to a command. */
  async errnoOf(command: number, frame: Uint8Array, files?: readonly PassedFile[]): Promise<number> {
    this.received.length = 0;
    this.send(this.frame(command, frame.subarray(HEADER_BYTES)), files);
    await this.turn();
    const replies = this.received;
    expect(replies.length).toBe(1);
    return replies[0]!.errno;
  }
}

export const map = (address: bigint, size: bigint, flags = 3, offset = 0n): Uint8Array =>
  DmaMap.frame({ argsz: 32, flags, offset, address, size });
export const unmap = (address: bigint, size: bigint, flags = 0, argsz = 24): Uint8Array =>
  DmaUnmap.frame({ argsz, flags, address, size });
