import { attach } from "./attach.ts";
import type { AttachEnd, Attached, AttachOptions } from "./attach-options.ts";
import type { LiveSnapshot } from "./live-state.ts";

/**
 * What a session tells, one after the other; each is plain JSON, and a line of `attach --output jsonl`:
 *
 * - `attached`: once, when the machine is followed, and what is known to begin with;
 * - `state`: all that is known at a moment, as often as was asked for and something changed; the last one replaces all
 *   those before it, so that who comes late has missed nothing but time;
 * - `doubt`: something that is not known, as soon as that turns out, once; all of them are in the next state, too;
 * - `end`: once, the last that was known, and why the session ended.
 *
 * @public
 */
export type FeedItem =
  | ({ readonly type: "attached" } & Attached)
  | ({ readonly type: "state" } & LiveSnapshot)
  | { readonly type: "doubt"; readonly doubt: string }
  | ({ readonly type: "end" } & Pick<AttachEnd, "reason" | "message"> & LiveSnapshot);

/**
 * How a running QEMU is followed by a feed.
 *
 * @public
 */
export type FeedOptions = Omit<AttachOptions, "onAttached" | "onState" | "onDoubt">;

/**
 * Attaches to a running QEMU, and tells everything by one kind of items: for a terminal, a stream of JSON, a page of a
 * browser.
 *
 * @param take called with each item as it comes
 * @throws IommuError as {@link attach}; then there is no `end`
 * @public
 */
export async function followFeed(options: FeedOptions, take: (item: FeedItem) => void): Promise<AttachEnd> {
  const end = await attach({
    ...options,
    onAttached: (attached) => take({ type: "attached", ...attached }),
    onState: (state) => take({ type: "state", ...state }),
    onDoubt: (doubt) => take({ type: "doubt", doubt }),
  });
  const { reason, message, state } = end;
  take({ type: "end", reason, message, ...state });
  return end;
}
