import { type Signal, signal } from "@preact/signals";
import { SERVED_ATTRIBUTE, type Served } from "../served.ts";
import { LiveSession } from "./live-state.ts";
import type { Bench } from "./state.ts";

/** The running QEMU that the page's server follows, if it does. */
export const liveSession: Signal<LiveSession | undefined> = signal(undefined);

/** Opens what the server of this page has, if it is one of ours. */
export async function openServed(bench: Bench): Promise<void> {
  const place = document.documentElement.getAttribute(SERVED_ATTRIBUTE);
  if (place === null) return;
  const response = await fetch(new URL(place, document.baseURI));
  if (!response.ok) throw new Error(`the server does not tell what it has: ${response.status}`);
  const { files, live } = (await response.json()) as Served;
  if (live !== undefined) liveSession.value = new LiveSession(live);
  bench.open(
    files.map(({ name, url, size }) => ({ name, data: { url: new URL(url, document.baseURI).href, size } })),
  );
}
