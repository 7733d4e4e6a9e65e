import type { Bench } from "./state.ts";

/** Puts the page's address where it can be pasted. */
export async function copyLink(bench: Bench): Promise<void> {
  try {
    await navigator.clipboard.writeText(location.href);
    bench.say("the link is copied");
  } catch {
    bench.say("the browser does not let this page copy: take the address from its bar");
  }
}
