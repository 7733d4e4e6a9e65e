import { describe, expect, it } from "vitest";
import { IommuError } from "../../src/base/errors.ts";
import { parseDeviceScript } from "../../src/formats/op-script/device-operation.ts";
import { type FuzzReport, fuzzDevice } from "../../src/script/device/fuzz.ts";
import { MAILBOX_TARGET } from "../../src/script/device/fuzz-target.ts";
import { DeviceRunner } from "../../src/script/device/run.ts";
import {
  MAILBOX_MISTAKES,
  MailboxDma,
  type MailboxMistake,
} from "../../src/vfio-user/devices/mailbox-dma.ts";
import { serveMailbox } from "../../src/vfio-user/devices/serve-mailbox.ts";
import { memoryChannels } from "../../src/vfio-user/memory-channel.ts";
import type { ByteChannel } from "../../src/vfio-user/protocol/channel.ts";
import type { DevicePlace } from "../../src/vfio-user/server/device-model.ts";
import { LIBVFIO_USER, SPECIFICATION } from "../../src/vfio-user/server/profile.ts";
import { ServerSession } from "../../src/vfio-user/server/session.ts";
import { some } from "../helpers/some.ts";
import { realTimers } from "./plugged.ts";

/** In one process nothing is on its way any more when a timer fires. */
const host = { timers: realTimers, timeout: 50, name: "mailbox" };
const profiles = { specification: SPECIFICATION, "libvfio-user": LIBVFIO_USER };

const connect =
  (mistake?: MailboxMistake, profile = SPECIFICATION) =>
  (): Promise<ByteChannel> => {
    const [client, server] = memoryChannels();
    serveMailbox(server, { profile, mistake });
    return Promise.resolve(client);
  };

/** A device whose DMA has a mistake that none of those to choose from has. */
class OtherMailbox extends MailboxDma {
  readonly #dma: (place: DevicePlace) => Partial<DevicePlace>;

  constructor(dma: (place: DevicePlace) => Partial<DevicePlace>) {
    super();
    this.#dma = dma;
  }

  override attach(place: DevicePlace): void {
    const mine = this.#dma(place);
    super.attach(new Proxy(place, { get: (_, name) => Reflect.get(name in mine ? mine : place, name) }));
  }
}

/** Mistakes that show only where a transfer passes the end of a page, or where somebody waits. */
const OTHER_MISTAKES: Readonly<
  Record<string, { kinds: RegExp; dma: (place: DevicePlace) => Partial<DevicePlace> }>
> = {
  "goes on one page too far": {
    kinds: /^(?:beyond|missing|stale|read-only|write-only)$/,
    dma: (place) => ({
      dmaRead: async (address, bytes) => {
        const inFirst = 4096 - Number(address % 4096n);
        if (bytes <= inFirst) return await place.dmaRead(address, bytes);
        const data = new Uint8Array(bytes);
        data.set(await place.uncheckedRead(address, inFirst));
        data.set(await place.uncheckedRead(address + BigInt(inFirst + 4096), bytes - inFirst), inFirst);
        return data;
      },
    }),
  },
  "says that it is done before it is": {
    kinds: /^(?:stale|bus-master-off|after-reset|read-only)$/,
    dma: (place) => ({
      dmaWrite: (address, data) => {
        realTimers.after(0, () => place.uncheckedWrite(address, data).catch(() => {}));
        return Promise.resolve();
      },
    }),
  },
};

const fuzz = (
  mistake?: MailboxMistake,
  more: { seed?: number; runs?: number; profile?: typeof SPECIFICATION } = {},
): Promise<FuzzReport> =>
  fuzzDevice({
    connect: connect(mistake, more.profile),
    target: MAILBOX_TARGET,
    seed: more.seed ?? 1,
    runs: more.runs ?? 200,
    steps: 40,
    host,
  });

/** What each mistake is found as. */
const KINDS: Readonly<Record<MailboxMistake, RegExp>> = {
  "one-byte-more": /^(?:beyond|missing|stale|read-only|write-only)$/,
  "whole-pages": /^(?:beyond|missing|stale|read-only|write-only)$/,
  "truncates-address": /^missing$/,
  "reads-before-write": /^write-only$/,
  "keeps-translation": /^(?:stale|read-only|write-only)$/,
  "survives-reset": /^after-reset$/,
  "ignores-bus-master": /^bus-master-off$/,
  "lost-completion": /^hang$/,
  "forgets-to-unmap": /^divergence$/,
  "short-reply": /^protocol$/,
};

describe("the fuzzer", () => {
  it.each(some(MAILBOX_MISTAKES, 2))("finds %s, in at most ten steps that show it again", async (mistake) => {
    const { finding, script } = await fuzz(mistake);
    expect(finding?.kind).toMatch(KINDS[mistake]);
    expect(script.length - 1).toBeLessThanOrEqual(10);
    // The script alone shows it, on a device with the mistake and on no other.
    const shown = async (wrong?: MailboxMistake): Promise<string[]> => {
      const { config, lines } = parseDeviceScript(script.join("\n"), "finding");
      const runner = await DeviceRunner.start(config, await connect(wrong)(), host);
      const kinds: string[] = [];
      for (const { operation } of lines)
        kinds.push(...(await runner.run(operation)).findings.map(({ kind }) => kind));
      runner.stop();
      return kinds;
    };
    expect((await shown(mistake))[0]).toBe(finding?.kind);
    expect(await shown()).toEqual([]);
  });

  it.each(Object.entries(OTHER_MISTAKES))("finds a device that %s", async (_, { dma, kinds }) => {
    const report = await fuzzDevice({
      connect: () => {
        const [client, server] = memoryChannels();
        new ServerSession(server, new OtherMailbox(dma));
        return Promise.resolve(client);
      },
      target: MAILBOX_TARGET,
      seed: 1,
      runs: 200,
      steps: 40,
      host,
    });
    expect(report.finding?.kind).toMatch(kinds);
    expect(report.script.length - 1).toBeLessThanOrEqual(10);
  });

  it.each(Object.entries(profiles))(
    "finds nothing in a device without a mistake (%s)",
    async (_, profile) => {
      const report = await fuzz(undefined, { runs: 10, profile });
      expect(report).toMatchObject({ finding: undefined, script: [], runs: 10 });
    },
  );

  it("makes the same of the same seed", async () => {
    expect(await fuzz("short-reply", { seed: 7 })).toEqual(await fuzz("short-reply", { seed: 7 }));
  });

  it("reports a device that goes away, also if it never comes back", async () => {
    let connections = 0;
    const report = await fuzzDevice({
      connect: () => {
        if (connections++ > 0) throw new IommuError("PEER", "no server");
        const [client, server] = memoryChannels();
        const session = serveMailbox(server);
        const send = client.send.bind(client);
        let messages = 0;
        client.send = (bytes) => {
          if (++messages === 60) session.close();
          send(bytes);
        };
        return Promise.resolve(client);
      },
      target: undefined,
      seed: 1,
      runs: 1,
      steps: 100,
      host,
    });
    expect(report.finding?.kind).toBe("lost");
    expect(report.script.length).toBeGreaterThan(1);
  });
});
