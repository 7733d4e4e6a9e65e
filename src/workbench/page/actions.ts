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

/** Gives the reader a file. */
export function download(name: string, data: Blob): void {
  const url = URL.createObjectURL(data);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken it when this turn ends.
  setTimeout(() => URL.revokeObjectURL(url), 0);
}
