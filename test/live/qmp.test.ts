import { createServer } from "node:net";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NoQemuError, QmpClient } from "../../src/live/qmp.ts";
import { FakeQemu } from "./fake-qemu.ts";

let qemu: FakeQemu;
beforeEach(async () => {
  qemu = new FakeQemu();
  await qemu.listen();
});
afterEach(() => qemu.close());

describe("a QMP client", () => {
  it.each([1, 2, 7, Infinity])("reads messages that come in pieces of %d bytes", async (pieces) => {
    qemu.pieces = pieces;
    const client = await QmpClient.connect(qemu.socket);
    expect(client.version).toBe("7.2.22");
    const events: unknown[] = [];
    client.onEvent = (event) => events.push(event);
    qemu.event("STOP", 5.25);
    expect((await client.execute("query-status")).value).toEqual({ status: "running" });
    expect(events).toEqual([{ event: "STOP", data: undefined, seconds: 5.25 }]);
    client.close();
  });

  it("gives each of many commands its own answer", async () => {
    const client = await QmpClient.connect(qemu.socket);
    const properties = ["index", "dma_win_size", "ddw", "pgsz"];
    const answers = properties.map((property) => client.execute("qom-get", { path: "x", property }));
    expect((await Promise.all(answers)).map(({ value }) => value)).toEqual([
      0,
      0x4000_0000,
      true,
      0x121_1000,
    ]);
    client.close();
  });

  it("refuses with QEMU's reason", async () => {
    const client = await QmpClient.connect(qemu.socket);
    await expect(client.execute("nonsense")).rejects.toThrow(
      "QEMU refused nonsense: The command nonsense has not been found",
    );
    client.close();
  });

  it("refuses every command that waits when the connection ends, and every later one", async () => {
    const client = await QmpClient.connect(qemu.socket);
    qemu.replies["query-status"] = () => {
      qemu.drop();
    };
    const waiting = [client.execute("query-status"), client.execute("query-migrate")];
    for (const one of waiting) await expect(one).rejects.toThrow(/QEMU closed the connection/);
    expect(client.isClosed).toBe(true);
    await expect(client.execute("query-status")).rejects.toThrow(/QEMU closed the connection/);
    expect((await client.closed).code).toBe("PEER");
  });

  it.each([
    { name: "no JSON", greeting: "SSH-2.0-OpenSSH_9.2", message: /this is no QMP: "SSH-2.0-OpenSSH_9.2"/ },
    { name: "a number", greeting: "42", message: /this is no QMP: 42/ },
    { name: "null", greeting: "null", message: /this is no QMP: null/ },
    { name: "a list", greeting: "[1,2]", message: /this is no QMP: \[1,2\]/ },
    { name: "no version", greeting: '{"QMP":null}', message: /answer greeting is null, not an object/ },
    {
      name: "half a version",
      greeting: '{"QMP":{"version":{"qemu":{"major":"7"}}}}',
      message: /answer greeting.version.qemu.major is "7", not a whole number/,
    },
    {
      name: "an endless line",
      greeting: "x".repeat(17 * 2 ** 20),
      message: /a message of more than|this is no QMP/,
    },
  ])("says so when the other end speaks something else: $name", async ({ greeting, message }) => {
    qemu.greeting = greeting;
    await expect(QmpClient.connect(qemu.socket)).rejects.toThrow(message);
  });

  it("does not wait for ever for a monitor that serves somebody else", async () => {
    const silent = createServer(() => {});
    const socket = path.join(qemu.folder, "silent");
    await new Promise<void>((resolve) => silent.listen(socket, resolve));
    await expect(QmpClient.connect(socket, { timeoutSeconds: 0.1 })).rejects.toThrow(
      /no greeting within 0.1 s/,
    );
    silent.close();
  });

  it("tells a socket without a listener from other troubles", async () => {
    const error = await QmpClient.connect(path.join(qemu.folder, "none")).catch((reason) => reason);
    expect(error.message).toMatch(/there is no such socket/);
    expect(error).toBeInstanceOf(NoQemuError);
    qemu.greeting = "nonsense";
    const other = await QmpClient.connect(qemu.socket).catch((reason) => reason);
    expect(other).not.toBeInstanceOf(NoQemuError);
  });

  it("ends the connection over a command that is not answered in time", async () => {
    const client = await QmpClient.connect(qemu.socket, { timeoutSeconds: 1 });
    qemu.silent = (command) => command === "query-status";
    const waiting = client.execute("query-status");
    await expect(waiting).rejects.toThrow(/no answer to query-status within 1 s/);
    expect(client.isClosed).toBe(true);
  });

  it("does not wait for the greeting any more when it is told so", async () => {
    const silent = createServer(() => {});
    const socket = path.join(qemu.folder, "silent");
    await new Promise<void>((resolve) => silent.listen(socket, resolve));
    const controller = new AbortController();
    const connecting = QmpClient.connect(socket, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(connecting).rejects.toThrow("enough");
    silent.close();
  });
});
