/**
 * vfio-user over a UNIX socket, client and device in one process: what a region access, a DMA and a mapping take of the
 * processor, one at a time. The floor of each is an echo of messages of the same sizes over such a socket, without any meaning.
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  connectDevice,
  DeviceHost,
  Hcall,
  listenForHosts,
  Machine,
  MailboxDma,
  ServerSession,
} from "../engine.mjs";
import { check } from "../harness.mjs";

const ROUND = 4000;
const HEADER = 16;
const LIOBN = 0x8000_0000n;
const PAGE = 4096;
const BUS_MASTER = 4;
const WINDOWS = 256;
const TARGET = 0x20_0003n;

const folder = mkdtempSync(join(tmpdir(), "spapr-iommu-vfio-user-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
let sockets = 0;
/** What keeps the process alive; it ends when the benchmarks do. */
const open = [];
process.once("disconnect", () => {
  for (const close of open) close();
});

/**
 * Nanoseconds of processor time of one of so many operations, one after the other: both ends are in this process, so that is
 * all there is of it, and what else the machine does is not.
 */
async function nsEach(count, operation) {
  const start = process.cpuUsage();
  for (let i = 0; i < count; i++) await operation(i);
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1e3) / count;
}

/** A device with its host, and 1 MiB of memory mapped for it. */
async function plugged() {
  const socket = join(folder, `${sockets++}.sock`);
  let session;
  const listening = await listenForHosts(socket, (channel) => {
    session = new ServerSession(channel, new MailboxDma());
    return session.closed;
  });
  const host = await DeviceHost.plug(new Machine(), await connectDevice(socket));
  open.push(() => {
    host.unplug();
    void listening.close();
  });
  await host.write(7, 4n, Uint8Array.of(BUS_MASTER, 0));
  for (let page = 0; page < WINDOWS; page++) put(host, page, TARGET + BigInt(page * PAGE));
  await host.settle();
  check(host.windows.length === WINDOWS, "not all is mapped");
  return { host, session };
}

const put = ({ machine }, page, tce) => {
  const { status } = machine.call(Hcall.PUT_TCE, LIOBN, BigInt(page * PAGE), tce);
  check(status === 0, `H_PUT_TCE = ${status}`);
};

/** An echo: each message of one size is answered by one of another. */
async function echo(requestBytes, replyBytes) {
  const socket = join(folder, `${sockets++}.sock`);
  const reply = new Uint8Array(replyBytes);
  const server = createServer((end) => {
    let got = 0;
    end.on("data", (chunk) => {
      for (got += chunk.length; got >= requestBytes; got -= requestBytes) end.write(reply);
    });
  });
  await new Promise((resolve) => server.listen(socket, resolve));
  const client = connect(socket);
  const request = new Uint8Array(requestBytes);
  let got = 0;
  let answered = () => {};
  client.on("data", (chunk) => {
    got += chunk.length;
    if (got < replyBytes) return;
    got -= replyBytes;
    answered();
  });
  open.push(() => {
    client.destroy();
    server.close();
  });
  return () =>
    new Promise((resolve) => {
      answered = resolve;
      client.write(request);
    });
}

const floor = (requestBytes, replyBytes, count, bytes = 1) => ({
  setup: () => echo(requestBytes, replyBytes),
  run: async (ask) => (await nsEach(count, ask)) / bytes,
});

const FIXED = HEADER + 16;
/** Rounds until V8 has compiled what both ends are made of. */
const WARMUPS = 6;
/** A round is a tenth of a second, in which a machine that does other work may be half as fast as in the next one. */
const ROUNDS = 21;
const TARGET_TEXT = "at least 0.7 of an echo: at most 1.43 times its time";

/** As many of each size: what fewer take is compiling. Transfers begin on pages, and stay within what is mapped. */
const dma = (bytes) => ({
  bytes,
  count: ROUND,
  address: (i) => BigInt((i * PAGE) % (WINDOWS * PAGE - bytes + PAGE)),
});

const read = ({ bytes, count, address }) => {
  // The device has a buffer of its own.
  const into = new Uint8Array(bytes);
  return {
    name: `vfio-user-dma-read-${bytes / 1024}k`,
    unit: "MB/s",
    better: "higher",
    target: TARGET_TEXT,
    warmups: WARMUPS,
    rounds: ROUNDS,
    setup: plugged,
    run: async ({ session }) =>
      1e3 / ((await nsEach(count, (i) => session.dmaRead(address(i), bytes, into))) / bytes),
    floor: floor(FIXED, FIXED + bytes, count, bytes),
  };
};

const write = ({ bytes, count, address }) => {
  const data = new Uint8Array(bytes).fill(7);
  return {
    name: `vfio-user-dma-write-${bytes / 1024}k`,
    unit: "MB/s",
    better: "higher",
    target: TARGET_TEXT,
    warmups: WARMUPS,
    rounds: ROUNDS,
    setup: plugged,
    run: async ({ session }) =>
      1e3 / ((await nsEach(count, (i) => session.dmaWrite(address(i), data))) / bytes),
    floor: floor(FIXED + bytes, FIXED, count, bytes),
  };
};

/** Each row has a process of its own: a heap full of what other rows left is dearer to collect. */
export const isolated = true;

/** @type {import("../harness.mjs").Benchmark[]} */
export const benchmarks = [
  {
    name: "vfio-user-region-read",
    unit: "accesses/s",
    better: "higher",
    target: TARGET_TEXT,
    warmups: WARMUPS,
    rounds: ROUNDS,
    setup: plugged,
    run: async ({ host }) => 1e9 / (await nsEach(ROUND, () => host.read(0, 0n, 4))),
    floor: floor(FIXED, FIXED + 4, ROUND),
  },
  {
    name: "vfio-user-map",
    unit: "maps/s",
    better: "higher",
    target: TARGET_TEXT,
    warmups: WARMUPS,
    rounds: ROUNDS,
    setup: plugged,
    run: async ({ host }) => {
      // Each time other pages, which are taken away afterwards.
      const ns = await nsEach(ROUND, (i) => {
        put(host, WINDOWS + i, TARGET);
        return host.settle();
      });
      for (let i = 0; i < ROUND; i++) put(host, WINDOWS + i, 0n);
      await host.settle();
      return 1e9 / ns;
    },
    floor: floor(HEADER + 32, HEADER, ROUND),
  },
  read(dma(4096)),
  write(dma(4096)),
  read(dma(65_536)),
  write(dma(65_536)),
];
