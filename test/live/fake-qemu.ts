import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

type Reply = (args: Record<string, string>) => unknown;

/** The monitor of a QEMU that is not there: it answers as one does, and writes a log. */
export class FakeQemu {
  readonly folder: string = mkdtempSync(path.join(tmpdir(), "fake-qemu-"));
  readonly socket: string = path.join(this.folder, "qmp");
  readonly log: string = path.join(this.folder, "log");
  readonly events = new Map<string, "enabled" | "disabled" | "unavailable">([
    ["spapr_iommu_pci_put", "disabled"],
    ["spapr_iommu_pci_get", "enabled"],
    ["spapr_iommu_xlate", "disabled"],
  ]);
  status = "running";
  migration = "none";
  /** What a migration sends; cut if it is shorter. */
  stream: Uint8Array = new Uint8Array(0);
  /** Names of commands, in the order in which they came. */
  readonly commands: string[] = [];
  /** Commands that are never answered. */
  silent: (command: string, nth: number, connection: number) => boolean = () => false;
  /** Connections made so far. */
  connections = 0;
  /** What is answered in place of the right thing. */
  instead: (
    command: string,
    nth: number,
  ) => { readonly return?: unknown; readonly error?: unknown; readonly id?: number } | undefined = () =>
    undefined;
  /** Bytes of each piece of an answer. */
  pieces = Infinity;
  greeting =
    '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}';
  readonly replies: Record<string, Reply> = {
    qmp_capabilities: () => ({}),
    "query-status": () => ({ status: this.status }),
    "query-migrate": () => (this.migration === "none" ? {} : { status: this.migration }),
    "qom-list": ({ path: folder }) =>
      folder === "/machine/unattached" ? [{ name: "device[1]", type: "child<spapr-pci-host-bridge>" }] : [],
    "human-monitor-command": () => `address-space: memory\r\n${this.memoryTree}`,
    "qom-get": ({ property }) => this.bridge[property!],
    "trace-event-get-state": () => [...this.events].map(([name, state]) => ({ name, state, vcpu: false })),
    "trace-event-set-state": ({ name, enable }) => {
      this.events.set(name!, enable ? "enabled" : "disabled");
      return {};
    },
    migrate: ({ uri }) => {
      this.#send(uri!.slice("unix:".length));
      return {};
    },
    cont: () => {
      this.status = "running";
      this.event("RESUME", 12.75);
      return {};
    },
  };
  memoryTree =
    "    0000000000000000-ffffffffffffffff (prio 0, i/o): tce-root-80000000\r\n      0000000000000000-000000003fffffff (prio 0, i/o): tce-iommu-80000000\r\n";
  readonly bridge: Record<string, unknown> = {
    index: 0,
    ddw: true,
    pgsz: 0x121_1000,
    dma_win_addr: 0,
    dma_win_size: 0x4000_0000,
    dma64_win_addr: 2 ** 59,
  };
  readonly #sockets = new Set<Socket>();
  readonly #server: Server = createServer((socket) => this.#serve(socket));

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.socket, resolve));
  }

  append(text: string): void {
    appendFileSync(this.log, text);
  }

  event(event: string, seconds: number): void {
    const timestamp = { seconds: Math.floor(seconds), microseconds: (seconds % 1) * 1e6 };
    for (const socket of this.#sockets) this.#write(socket, JSON.stringify({ event, timestamp }));
  }

  /** Ends all connections, but not the listener. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends as QEMU does; its log stays. */
  async end(): Promise<void> {
    this.event("SHUTDOWN", 20);
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.end();
    await closed;
  }

  async close(): Promise<void> {
    this.drop();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }

  #serve(socket: Socket): void {
    const connection = ++this.connections;
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {});
    let held = "";
    socket.on("data", (chunk) => {
      held += String(chunk);
      const lines = held.split("\n");
      held = lines.pop()!;
      for (const line of lines) this.#answer(socket, line, connection);
    });
    this.#write(socket, this.greeting);
  }

  #answer(socket: Socket, line: string, connection: number): void {
    const { execute, arguments: args, id } = JSON.parse(line);
    this.commands.push(execute);
    const nth = this.commands.length;
    if (this.silent(execute, nth, connection)) return;
    const reply = this.replies[execute];
    const instead = this.instead(execute, nth);
    // What is refused is not carried out.
    if (instead !== undefined && "error" in instead) {
      this.#write(socket, JSON.stringify({ ...instead, id }));
      return;
    }
    const message =
      reply === undefined
        ? { id, error: { class: "CommandNotFound", desc: `The command ${execute} has not been found` } }
        : { return: reply(args), id, ...instead };
    this.#write(socket, JSON.stringify(message));
  }

  #write(socket: Socket, text: string): void {
    const bytes = Buffer.from(`${text}\r\n`);
    for (let at = 0; at < bytes.length; at += this.pieces) socket.write(bytes.subarray(at, at + this.pieces));
  }

  #send(to: string): void {
    this.migration = "active";
    const socket = connect(to);
    const fail = (): void => {
      this.migration = "failed";
      this.status = "running";
    };
    socket.on("error", fail);
    socket.end(this.stream, () => {
      this.migration = "completed";
      this.status = "postmigrate";
      this.event("STOP", 12.5);
    });
  }
}
