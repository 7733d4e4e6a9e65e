import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SeekableFile } from "../../../src/cli/seekable-file.ts";
import { LiveStream } from "../../../src/cli/serve/live-stream.ts";
import { PageFiles } from "../../../src/cli/serve/page-files.ts";
import { PageServer } from "../../../src/cli/serve/page-server.ts";
import { RemoteFile } from "../../../src/workbench/desk/remote-file.ts";
import type { LiveItem, LiveMessage } from "../../../src/workbench/served.ts";
import { scratchFolder } from "../../helpers/scratch.ts";

const folder = scratchFolder();
const POLICY = "default-src 'none'; script-src 'self'";
const SECRET = "nobody may see this";
const BYTES = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));

let server: PageServer;
let live: LiveStream;
const files: SeekableFile[] = [];

beforeAll(async () => {
  const page = path.join(folder, "page");
  mkdirSync(path.join(page, "assets"), { recursive: true });
  writeFileSync(
    path.join(page, "index.html"),
    `<!doctype html>\n<html lang="en">\n<meta\n http-equiv="Content-Security-Policy"\n content="${POLICY}"\n/>`,
  );
  writeFileSync(path.join(page, "assets/main.js"), "export {};");
  writeFileSync(path.join(folder, "secret.txt"), SECRET);
  symlinkSync(path.join(folder, "secret.txt"), path.join(page, "linked.txt"));
  writeFileSync(path.join(folder, "trace.bin"), BYTES);
  writeFileSync(path.join(folder, "<img src=x onerror=alert(1)>.log"), gzipSync(BYTES));
  writeFileSync(path.join(folder, "empty"), "");
  for (const name of ["trace.bin", "<img src=x onerror=alert(1)>.log", "empty"])
    files.push(await SeekableFile.open(path.join(folder, name), folder));
  live = new LiveStream();
  server = await PageServer.listen(0, { page: new PageFiles(page), files, live, log: () => undefined });
});

afterAll(async () => {
  await server.close();
  for (const file of files) await file.close();
});

const parts = (): { host: string; port: number; token: string } => {
  const { host, port, pathname } = new URL(server.url);
  return { host, port: Number(port), token: pathname.slice(1, -1) };
};

/** What comes back for bytes as they are: a browser and Node's client would not send many of these. */
function raw(text: string): Promise<{ status: number; head: string; body: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect(parts().port, "127.0.0.1", () => socket.write(text));
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => {
      const answer = Buffer.concat(chunks).toString("latin1");
      const end = answer.indexOf("\r\n\r\n");
      const head = answer.slice(0, end);
      resolve({ status: Number(head.split(" ")[1]), head: head.toLowerCase(), body: answer.slice(end + 4) });
    });
  });
}

interface Sent {
  readonly method?: string;
  readonly target?: string;
  readonly host?: string | null;
  readonly headers?: readonly string[];
  readonly body?: string;
}

/** A request of ours with something in it changed. */
function send({ method = "GET", target, host = parts().host, headers = [], body = "" }: Sent) {
  const lines = [
    `${method} ${target ?? `/${parts().token}/`} HTTP/1.1`,
    ...(host === null ? [] : [`Host: ${host}`]),
    "Connection: close",
    ...headers,
  ];
  return raw(`${lines.join("\r\n")}\r\n\r\n${body}`);
}

const other = (token: string): string => `${token[0] === "a" ? "b" : "a"}${token.slice(1)}`;

describe("the server of the page", () => {
  it("gives the page, with what it may do, and says that it is served", async () => {
    const { status, head, body } = await send({});
    expect(status).toBe(200);
    expect(body).toContain('<html data-served="served.json" lang="en">');
    expect(head).toContain(`content-security-policy: ${POLICY}; frame-ancestors 'none'`);
    for (const line of [
      "referrer-policy: no-referrer",
      "x-content-type-options: nosniff",
      "cross-origin-resource-policy: same-origin",
      "cache-control: no-store",
      "content-type: text/html; charset=utf-8",
    ])
      expect(head).toContain(line);
    expect(head).not.toContain("set-cookie");
  });

  it("gives what the page asks for by name, and the types that a browser wants", async () => {
    const { token } = parts();
    const { status, head } = await send({ target: `/${token}/assets/main.js` });
    expect([status, /content-type: (.*)/.exec(head)?.[1]]).toEqual([200, "text/javascript; charset=utf-8"]);
    const answer = await send({ method: "HEAD", target: `/${token}/assets/main.js` });
    expect([answer.status, answer.body]).toEqual([200, ""]);
  });

  it("listens on this machine alone", () => {
    expect(new URL(server.url).hostname).toBe("127.0.0.1");
  });

  it("has another token each time, of 192 bits", async () => {
    expect(parts().token).toMatch(/^[\w-]{32}$/);
    const again = await PageServer.listen(0, {
      page: new PageFiles(path.join(folder, "page")),
      files: [],
      log: () => undefined,
    });
    expect(new URL(again.url).pathname).not.toBe(new URL(server.url).pathname);
    await again.close();
  });

  describe("tells strangers nothing", () => {
    const cases: readonly (readonly [what: string, sent: () => Sent])[] = [
      ["no token", () => ({ target: "/" })],
      ["no token, but a name", () => ({ target: "/served.json" })],
      ["a wrong token", () => ({ target: `/${other(parts().token)}/` })],
      ["a part of the token", () => ({ target: `/${parts().token.slice(0, -1)}/` })],
      ["more than the token", () => ({ target: `/${parts().token}x/` })],
      ["the token as a query", () => ({ target: `/?token=${parts().token}` })],
      ["the token without its slash", () => ({ target: `/${parts().token}` })],
      ["another host, as DNS rebinding has it", () => ({ host: `attacker.example:${parts().port}` })],
      ["a host that begins as ours", () => ({ host: `127.0.0.1.attacker.example:${parts().port}` })],
      ["another port", () => ({ host: "127.0.0.1:1" })],
      ["two hosts", () => ({ headers: ["Host: attacker.example"] })],
      ["another origin", () => ({ headers: ["Origin: http://attacker.example"] })],
      ["another port's origin", () => ({ headers: ["Origin: http://127.0.0.1:1"] })],
      ["our origin by https", () => ({ headers: [`Origin: https://${parts().host}`] })],
      ["no origin", () => ({ headers: ["Origin: null"] })],
      ["an absolute target", () => ({ target: `http://attacker.example/${parts().token}/` })],
      ["a proxy's target", () => ({ method: "OPTIONS", target: "*" })],
    ];
    it.each(cases)("%s", async (_, sent) => {
      const { status, head, body } = await send(sent());
      expect(status).toBe(403);
      expect(body.replace(/^0\r\n\r\n$/, "")).toBe("");
      // All of them get the same answer.
      expect(head.replace(/date: .*/, "")).toBe((await send({ target: "/" })).head.replace(/date: .*/, ""));
      expect(head).not.toContain(parts().token.toLowerCase());
    });
  });

  describe("refuses who has the token, too", () => {
    const inside = (rest: string): string => `/${parts().token}/${rest}`;
    const cases: readonly (readonly [what: string, status: number, sent: () => Sent])[] = [
      ["what is not there", 404, () => ({ target: inside("nothing") })],
      ["a path out of the folder", 404, () => ({ target: inside("../secret.txt") })],
      ["the same, written otherwise", 404, () => ({ target: inside("%2e%2e/secret.txt") })],
      ["a backslash", 404, () => ({ target: inside("..\\secret.txt") })],
      ["an absolute path", 404, () => ({ target: inside(`/${path.join(folder, "secret.txt")}`) })],
      ["a link out of the folder", 404, () => ({ target: inside("linked.txt") })],
      ["a folder", 404, () => ({ target: inside("assets") })],
      ["a file that was not named", 404, () => ({ target: inside("files/3") })],
      ["a number that is none", 404, () => ({ target: inside("files/00") })],
      ["a log that nobody knows yet", 404, () => ({ target: inside("live/log") })],
      ["POST", 405, () => ({ method: "POST" })],
      ["PUT", 405, () => ({ method: "PUT" })],
      ["DELETE", 405, () => ({ method: "DELETE" })],
      ["OPTIONS", 405, () => ({ method: "OPTIONS" })],
      ["TRACE", 405, () => ({ method: "TRACE" })],
      ["a body", 413, () => ({ headers: ["Content-Length: 5"], body: "hello" })],
      [
        "a body in pieces",
        413,
        () => ({ headers: ["Transfer-Encoding: chunked"], body: "5\r\nhello\r\n0\r\n\r\n" }),
      ],
      ["a target that is too long", 414, () => ({ target: inside("a".repeat(2000)) })],
      ["headers that are too long", 431, () => ({ headers: [`X-Long: ${"a".repeat(100_000)}`] })],
      ["a range behind the end", 416, () => ({ target: inside("files/0"), headers: ["Range: bytes=5000-"] })],
      ["ranges", 416, () => ({ target: inside("files/0"), headers: ["Range: bytes=0-1,3-4"] })],
      ["a range backwards", 416, () => ({ target: inside("files/0"), headers: ["Range: bytes=9-3"] })],
      ["a range of nothing", 416, () => ({ target: inside("files/2"), headers: ["Range: bytes=0-0"] })],
      ["a range of lines", 416, () => ({ target: inside("files/0"), headers: ["Range: lines=0-1"] })],
    ];
    it.each(cases)("%s: %i", async (_, status, sent) => {
      const answer = await send(sent());
      expect(answer.status).toBe(status);
      expect(answer.body).not.toContain(SECRET);
    });

    it.each([
      ["no HTTP", "hello\r\n\r\n"],
      ["no host", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"],
      ["a header without an end", "GET / HTTP/1.1\r\nHost\r\n\r\n"],
      ["lengths that differ", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
    ])("what is malformed: %s", async (_, text) => {
      expect((await raw(text)).status).toBe(400);
    });

    it("gives no tunnel and no other protocol", async () => {
      const { host, token } = parts();
      expect((await raw(`CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).head).toBe("");
      const upgrade = ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA"];
      const { status } = await send({ target: `/${token}/live/log`, headers: upgrade });
      expect(status).toBe(404);
    });
  });

  it("says what it has; names of files are text", async () => {
    const response = await fetch(new URL("served.json", server.url));
    expect(response.headers.get("content-type")).toBe("application/json");
    const { files: listed, live: session } = (await response.json()) as Record<string, unknown>;
    expect(listed).toMatchObject([
      { name: path.join(folder, "trace.bin"), url: "files/0", size: BYTES.length },
      { name: path.join(folder, "<img src=x onerror=alert(1)>.log"), url: "files/1" },
      { url: "files/2", size: 0 },
    ]);
    expect(session).toEqual({ events: "live/events", log: "live/log" });
  });

  it("gives any stretch of a file, as the page's worker reads it", async () => {
    const url = new URL("files/0", server.url).href;
    const file = new RemoteFile({ url, size: BYTES.length });
    for (const [offset, length] of [
      [0, 10],
      [4990, 10],
      [4990, 100],
      [123, 4000],
      [5000, 1],
    ] as const)
      expect(Buffer.from(await file.read(offset, length))).toEqual(BYTES.subarray(offset, offset + length));
    expect(Buffer.from(await (await fetch(url)).arrayBuffer())).toEqual(BYTES);
    const end = await fetch(url, { headers: { range: "bytes=-7" } });
    expect([end.status, end.headers.get("content-range")]).toEqual([206, "bytes 4993-4999/5000"]);
    const head = await fetch(url, { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe("5000");
    expect((await fetch(new URL("files/2", server.url))).status).toBe(200);
  });

  it("says in the page what a file's reader cannot get", async () => {
    const lost = new RemoteFile({ url: new URL("files/9", server.url).href, size: 10 });
    await expect(lost.read(0, 10)).rejects.toThrow("the server does not give this file: 404");
    const longer = new RemoteFile({ url: new URL("files/0", server.url).href, size: 6000 });
    await expect(longer.read(4000, 2000)).rejects.toThrow("the server gave 1000 of 2000 bytes");
    const gone = new RemoteFile({ url: "http://127.0.0.1:1/", size: 10 });
    await expect(gone.read(0, 10)).rejects.toThrow("the server that has this file does not answer");
  });

  it("says that a port is taken", async () => {
    const content = { page: new PageFiles(path.join(folder, "page")), files: [], log: () => undefined };
    await expect(PageServer.listen(parts().port, content)).rejects.toThrow(
      /port \d+ cannot be had: .*EADDRINUSE/,
    );
  });

  it("says that the page was not built", () => {
    expect(() => new PageFiles(path.join(folder, "nothing"))).toThrow(/has no page: npm run build makes it/);
  });
});

/** A state of a session, of which only one number matters here. */
const state = (events: number, padding = 0): LiveItem =>
  ({ type: "state", events, doubts: ["x".repeat(padding)] }) as unknown as LiveItem;
const attached = { type: "attached", qemu: "7.2", log: "log", base: { kind: "none", refused: [] } } as const;

/** The messages of a session as a page gets them. */
async function* messages(): AsyncGenerator<LiveMessage> {
  const response = await fetch(new URL("live/events", server.url));
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  let held = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const texts = (held + chunk).split("\n\n");
    held = texts.pop()!;
    for (const text of texts) yield JSON.parse(text.replace(/^data: /, "")) as LiveMessage;
  }
}

describe("a session that pages follow", () => {
  it("tells who comes late all that is known, and what comes", async () => {
    live.take(attached);
    for (let i = 0; i < 5; i++) live.take(state(i));
    const listener = messages();
    expect((await listener.next()).value).toEqual({ item: attached, dropped: 0 });
    expect((await listener.next()).value).toEqual({ item: state(4), dropped: 0 });
    live.take(state(5));
    expect((await listener.next()).value).toEqual({ item: state(5), dropped: 0 });
    await listener.return(undefined);
  });

  it("waits for no page: one that does not read misses states, and is told how many", async () => {
    const { host, port, token } = parts();
    const slow = connect(port, "127.0.0.1");
    slow.write(`GET /${token}/live/events HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await new Promise((resolve) => slow.once("data", resolve));
    slow.pause();
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    const [states, padding] = [2000, 100_000];
    for (let i = 0; i < states; i++) {
      live.take(state(i, padding));
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const grown = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before;
    expect(grown).toBeLessThan((states * padding) / 4);
    let text = "";
    slow.setEncoding("latin1");
    slow.on("data", (chunk) => {
      text += chunk;
    });
    slow.resume();
    while (!text.includes(`"events":${states - 1},`)) await new Promise((resolve) => setTimeout(resolve, 10));
    slow.destroy();
    const seen = [...text.matchAll(/"events":(\d+),/g)].map(([, events]) => Number(events));
    const dropped = Number(/"dropped":(\d+)\}\s*$/.exec(text.trimEnd().replace(/\r\n[0-9a-f]+$/, ""))?.[1]);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.length).toBeLessThan(states / 2);
    // What was told before reading began was not kept by this test.
    expect(dropped).toBeGreaterThan(states - seen.length - 50);
    expect(dropped).toBeLessThanOrEqual(states - seen.length + 1);
  });

  it("has places for so many, and a place again when one goes", async () => {
    const controllers = Array.from({ length: 16 }, () => new AbortController());
    const url = new URL("live/events", server.url);
    await Promise.all(controllers.map(({ signal }) => fetch(url, { signal })));
    expect((await fetch(url)).status).toBe(429);
    controllers[0]!.abort();
    let status = 429;
    for (let i = 0; i < 500 && status === 429; i++) {
      const end = new AbortController();
      status = (await fetch(url, { signal: end.signal })).status;
      end.abort();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(status).toBe(200);
    for (const controller of controllers) controller.abort();
  });

  it("ends with the server", async () => {
    const own = new LiveStream();
    const content = { page: new PageFiles(path.join(folder, "page")), files: [], log: () => undefined };
    const one = await PageServer.listen(0, { ...content, live: own });
    const response = await fetch(new URL("live/events", one.url));
    const body = response.text();
    await one.close();
    expect(await body).toBe("");
    await expect(fetch(one.url)).rejects.toThrow();
  });

  it("tells a page that reads late how it ended, and waits for none that does not read", async () => {
    const own = new LiveStream();
    const content = { page: new PageFiles(path.join(folder, "page")), files: [], log: () => undefined };
    const one = await PageServer.listen(0, { ...content, live: own });
    const { host, port, pathname } = new URL(one.url);
    const follow = async () => {
      const socket = connect(Number(port), "127.0.0.1");
      socket.write(`GET ${pathname}live/events HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      await new Promise((resolve) => socket.once("data", resolve));
      return socket.pause();
    };
    const [late, never] = [await follow(), await follow()];
    for (let i = 0; i < 50; i++) own.take(state(i, 1_000_000));
    own.take({ type: "end", message: "QEMU ended" } as unknown as LiveItem);
    const closed = one.close();
    let text = "";
    late.setEncoding("latin1").on("data", (chunk) => {
      text += chunk;
    });
    const gone = new Promise((resolve) => late.once("close", resolve));
    late.resume();
    await Promise.all([closed, gone]);
    expect(text).toContain('"message":"QEMU ended"');
    never.destroy();
  });
});
