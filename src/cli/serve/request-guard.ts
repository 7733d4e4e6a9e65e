import { timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";

/** Characters of a request's target; ours are short. */
const MAX_TARGET = 1024;

/** Who may ask: those that know the token, on this machine, by a name that is ours. */
export interface Guard {
  readonly token: string;
  /** Hosts with port, as browsers name them. */
  readonly hosts: ReadonlySet<string>;
}

/** A request that is not answered: the status, and what has to be said with it. */
export interface Refusal {
  readonly status: number;
  readonly headers?: IncomingHttpHeaders;
}

/** What is asked for, relative to the page. */
export interface Asked {
  readonly name: string;
}

/** Who is not let in learns nothing, not even which of these was wrong. */
const STRANGER: Refusal = { status: 403 };

/**
 * Looks at a request before anything is done for it. First whether it may come at all: from this machine, to a name of
 * ours (another site's name may lead here, which is DNS rebinding), from no page but ours, with the token. Then
 * whether it is one that we answer: GET or HEAD, without a body.
 */
export function askedOf(request: IncomingMessage, { token, hosts }: Guard): Asked | Refusal {
  const { host, origin } = request.headersDistinct;
  const isOurs = (name: string): boolean => hosts.has(name.toLowerCase());
  if (!isLoopback(request.socket.remoteAddress)) return STRANGER;
  if (host?.length !== 1 || !isOurs(host[0]!)) return STRANGER;
  if (origin?.some((one) => !one.startsWith("http://") || !isOurs(one.slice("http://".length))) === true)
    return STRANGER;
  const { url = "", method = "" } = request;
  const [, given, name] = /^\/([\w-]+)\/([^?#]*)$/.exec(url.slice(0, MAX_TARGET)) ?? [];
  if (given === undefined || !isSame(given, token)) return STRANGER;
  if (url.length > MAX_TARGET) return { status: 414 };
  if (method !== "GET" && method !== "HEAD") return { status: 405, headers: { allow: "GET, HEAD" } };
  if (hasBody(request.headers)) return { status: 413 };
  return { name: name! };
}

const isLoopback = (address = ""): boolean => /^(?:::ffff:)?127\.|^::1$/.test(address);

/** In a time that does not tell how much of it is right. */
function isSame(given: string, token: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const hasBody = ({ "content-length": length, "transfer-encoding": coding }: IncomingHttpHeaders): boolean =>
  coding !== undefined || (length !== undefined && length !== "0");
