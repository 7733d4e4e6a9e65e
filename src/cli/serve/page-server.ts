import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { IommuError } from "../../base/errors.ts";
import type { Served } from "../../workbench/served.ts";
import type { SeekableFile } from "../seekable-file.ts";
import { rangeOf } from "./byte-range.ts";
import type { LiveStream } from "./live-stream.ts";
import { type PageFiles, SERVED_NAME } from "./page-files.ts";
import { askedOf, type Guard } from "./request-guard.ts";

/** Connections at a time; a page has some six. */
const MAX_CONNECTIONS = 128;
/** Names, relative to the page. */
const [FILES, EVENTS, LOG] = ["files/", "live/events", "live/log"];

/** What pages are given. */
export interface PageContent {
  readonly page: PageFiles;
  readonly files: readonly SeekableFile[];
  readonly live?: LiveStream | undefined;
  /** The log that a followed QEMU writes, as soon as that is known. */
  readonly log: () => SeekableFile | undefined;
}

/**
 * Serves the workbench to browsers of this machine that know its token. All else is refused before anything is done for
 * it; see {@link askedOf}. There is no message that a page could send: it only asks for things by their names.
 */
export class PageServer {
  /** With the token, which is new each time. */
  readonly url: string;
  readonly #server: Server;
  readonly #guard: Guard;
  readonly #content: PageContent;
  readonly #headers: Readonly<Record<string, string>>;

  private constructor(server: Server, content: PageContent) {
    const { address, family, port } = server.address() as AddressInfo;
    const host = family === "IPv6" ? `[${address}]` : address;
    const hosts = [host, "localhost"].flatMap((name) => [`${name}:${port}`, ...(port === 80 ? [name] : [])]);
    this.#guard = { token: randomBytes(24).toString("base64url"), hosts: new Set(hosts) };
    this.url = `http://${host}:${port}/${this.#guard.token}/`;
    this.#server = server;
    this.#content = content;
    this.#headers = {
      "content-security-policy": `${content.page.policy}; frame-ancestors 'none'`,
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      // Addresses and answers have the token, or what only who has it may see.
      "cache-control": "no-store",
    };
    server.maxConnections = MAX_CONNECTIONS;
    server.on("request", (request, response) => void this.#answer(request, response));
  }

  /**
   * Listens on this machine alone.
   *
   * @param port 0 for any that is free
   * @throws IommuError BAD_ARGUMENT if the port cannot be had
   */
  static async listen(port: number, content: PageContent): Promise<PageServer> {
    const server = createServer();
    try {
      // Where there is only one version of IP, it is the other one.
      await listening(server, port, "127.0.0.1").catch((cause: NodeJS.ErrnoException) => {
        if (cause.code !== "EADDRNOTAVAIL" && cause.code !== "EAFNOSUPPORT") throw cause;
        return listening(server, port, "::1");
      });
    } catch (cause) {
      const message = `port ${port} cannot be had: ${(cause as Error).message}`;
      throw new IommuError("BAD_ARGUMENT", message, { port }, { cause });
    }
    return new PageServer(server, content);
  }

  /** Refuses what comes, and ends what is under way. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    await this.#content.live?.end();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = askedOf(request, this.#guard);
    for (const [name, value] of Object.entries(this.#headers)) response.setHeader(name, value);
    if ("status" in asked) {
      // What follows on this connection may be the rest of what was refused.
      response.writeHead(asked.status, { ...asked.headers, connection: "close" }).end();
      return;
    }
    // Who asked may be gone, or a file: that is the end of this answer alone.
    await this.#give(asked.name, request, response).catch(() => response.destroy());
  }

  async #give(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { page, files, live, log } = this.#content;
    const isHead = request.method === "HEAD";
    if (name === SERVED_NAME) {
      const text = JSON.stringify(await this.#served());
      response.writeHead(200, { "content-type": "application/json" }).end(isHead ? undefined : text);
      return;
    }
    if (name === EVENTS && live !== undefined && !isHead) {
      response.setHeader("content-type", "text/event-stream");
      if (!live.add(response)) response.writeHead(429).end();
      return;
    }
    const file = name === LOG ? log() : files.find((_, i) => name === `${FILES}${i}`);
    if (file !== undefined) return await giveFile(file, request, response);
    const found = page.find(name);
    if (found === undefined) {
      response.writeHead(404).end();
      return;
    }
    const headers = { "content-type": found.type, "content-length": found.bytes.length };
    response.writeHead(200, headers).end(isHead ? undefined : found.bytes);
  }

  async #served(): Promise<Served> {
    const { files, live } = this.#content;
    const listed = files.map(async (file, i) => ({
      name: file.name,
      url: `${FILES}${i}`,
      size: await file.size(),
    }));
    return {
      files: await Promise.all(listed),
      ...(live === undefined ? {} : { live: { events: EVENTS!, log: LOG! } }),
    };
  }
}

async function giveFile(
  file: SeekableFile,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const size = await file.size();
  const { range } = request.headers;
  const headers = { "accept-ranges": "bytes", "content-type": "application/octet-stream" };
  if (request.method === "HEAD" || (size === 0 && range === undefined)) {
    response.writeHead(200, { ...headers, "content-length": size }).end();
    return;
  }
  const found = rangeOf(range, size);
  if (found === undefined) {
    response.writeHead(416, { ...headers, "content-range": `bytes */${size}` }).end();
    return;
  }
  const { first, last } = found;
  response.writeHead(range === undefined ? 200 : 206, {
    ...headers,
    "content-length": last - first + 1,
    ...(range === undefined ? {} : { "content-range": `bytes ${first}-${last}/${size}` }),
  });
  await pipeline(file.stream(found), response);
}

const listening = (server: Server, port: number, host: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
