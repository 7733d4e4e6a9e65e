import { batch, type ReadonlySignal, type Signal, signal } from "@preact/signals";

/** What the page is for: recordings, or what it runs itself. The address says which, as `view`. */
export const ROOMS = ["recordings", "script", "replay", "tours"] as const;

export type Room = (typeof ROOMS)[number];

/** The room of an address. */
export const roomOfHash = (hash: string): Room => {
  const view = new URLSearchParams(hash.replace(/^#/, "")).get("view");
  return ROOMS.find((name) => name === view) ?? "recordings";
};

const current: Signal<Room> = signal(roomOfHash(location.hash));

/** The room that is shown. */
export const room: ReadonlySignal<Room> = current;

/** What the address was when a room was left: going back brings all of it back. */
const left: Signal<Readonly<Partial<Record<Room, string>>>> = signal({});

/** The address of a room, for a link. */
export const addressOf = (to: Room): string => left.value[to] ?? (to === "recordings" ? "#" : `#view=${to}`);

export const enter = (to: Room): void => {
  if (room.value !== to) location.hash = addressOf(to);
};

/** Writes what a room shows into the address, while that room is shown. */
export function writeAddress(of: Room, parts: Readonly<Record<string, string>>): void {
  if (room.value !== of) return;
  const hash = `#${new URLSearchParams({ view: of, ...parts })}`;
  if (hash !== location.hash) history.replaceState(null, "", hash);
}

// Before whoever else listens, so that they know which room an address is of.
addEventListener("hashchange", ({ oldURL, newURL }) => {
  const before = new URL(oldURL).hash;
  batch(() => {
    left.value = { ...left.value, [roomOfHash(before)]: before || "#" };
    current.value = roomOfHash(new URL(newURL).hash);
  });
});
