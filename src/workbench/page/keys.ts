import { wholeShift } from "../maths/heat-grid.ts";
import { panned, zoomed } from "../maths/view.ts";
import { room } from "./rooms.ts";
import type { Bench } from "./state.ts";

/** A key, and what it does; the help lists them. */
export interface Key {
  readonly keys: readonly string[];
  readonly does: string;
  act(bench: Bench): void;
}

const zoom = (bench: Bench, factor: number): void => {
  const { value: view } = bench.view;
  void bench.placeOf(bench.playhead.value).then((at) => {
    const middle = at >= view.from && at <= view.to ? at : (view.from + view.to) / 2;
    const least = (8 * bench.whole.value.to) / Math.max(8, bench.events.value);
    bench.timeView.value = zoomed(view, bench.whole.value, middle, factor, least);
  });
};

const pan = (bench: Bench, part: number): void => {
  bench.timeView.value = panned(bench.view.value, bench.whole.value, part);
};

const step = (bench: Bench, by: number): void => void bench.reveal(bench.playhead.value + by);

const nextFinding = (bench: Bench, by: number): void => {
  const { value: findings } = bench.findings;
  if (findings.length === 0) return;
  const at = findings.findIndex(({ number }) => number === bench.finding.value);
  const next = at < 0 ? (by > 0 ? 0 : findings.length - 1) : (at + by + findings.length) % findings.length;
  void bench.choose(findings[next]!);
};

/** Everything that a key does. */
export const KEYS: readonly Key[] = [
  { keys: ["n"], does: "next finding", act: (bench) => nextFinding(bench, 1) },
  { keys: ["p"], does: "previous finding", act: (bench) => nextFinding(bench, -1) },
  { keys: ["w"], does: "zoom time in, around the playhead", act: (bench) => zoom(bench, 0.5) },
  { keys: ["s"], does: "zoom time out", act: (bench) => zoom(bench, 2) },
  { keys: ["a"], does: "move time to the left", act: (bench) => pan(bench, -0.25) },
  { keys: ["d"], does: "move time to the right", act: (bench) => pan(bench, 0.25) },
  { keys: [","], does: "playhead one event back", act: (bench) => step(bench, -1) },
  { keys: ["."], does: "playhead one event on", act: (bench) => step(bench, 1) },
  {
    keys: ["["],
    does: "select from the playhead on",
    act: (bench) => selectHere(bench, "from"),
  },
  {
    keys: ["]"],
    does: "select up to the playhead",
    act: (bench) => selectHere(bench, "to"),
  },
  { keys: ["f"], does: "show the selection, or all", act: focus },
  {
    keys: ["m"],
    does: "mark this moment: what changes from it on is listed",
    act: (bench) => {
      bench.mark.value = bench.playhead.value;
    },
  },
  {
    keys: ["/"],
    does: "search: an address, a window or device, a line, any text",
    act: (bench) => {
      bench.isSearchOpen.value = bench.files.value.length > 0;
    },
  },
  {
    keys: ["e"],
    does: "filter events",
    act: () => document.getElementById("filter")?.focus(),
  },
  {
    keys: ["?"],
    does: "this list",
    act: (bench) => {
      bench.isHelpOpen.value = true;
    },
  },
  {
    keys: ["Escape"],
    does: "take the selection away",
    act: (bench) => {
      if (bench.isHelpOpen.value) bench.isHelpOpen.value = false;
      else bench.selection.value = undefined;
    },
  },
];

/** Moves one end of the selected stretch of time to the playhead. */
function selectHere(bench: Bench, end: "from" | "to"): void {
  const { value: at } = bench.playhead;
  const whole = {
    from: 0,
    to: Math.max(0, bench.events.value - 1),
    first: 0,
    end: bench.space.value?.pages ?? 1,
  };
  const { from, to, ...pages } = bench.selection.value ?? whole;
  bench.selection.value =
    end === "from"
      ? { from: at, to: Math.max(at, to), ...pages }
      : { from: Math.min(at, from), to: at, ...pages };
}

function focus(bench: Bench): void {
  const { value: selection } = bench.selection;
  if (selection === undefined) {
    bench.timeView.value = undefined;
    bench.heatView.value = undefined;
    return;
  }
  void Promise.all([bench.placeOf(selection.from), bench.placeOf(selection.to)]).then(([from, to]) => {
    const margin = Math.max((to - from) * 0.1, (4 * bench.whole.value.to) / Math.max(8, bench.events.value));
    bench.timeView.value = { from: from - margin, to: to + margin };
  });
  const { first, end } = selection;
  const shift = wholeShift(end - first, bench.heatRows.value);
  bench.heatView.value = end - first === bench.space.value?.pages ? undefined : { first, shift, row: 0 };
}

/** Keys that work in every room. */
const EVERYWHERE: readonly string[] = ["?", "Escape"];

/** Is somebody writing, so that keys are letters? */
export const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  target.closest("input:not([type=range], [type=file]), select, textarea") !== null;

/** Lets keys work everywhere but where one types. */
export function listenToKeys(bench: Bench): void {
  addEventListener("keydown", (event) => {
    // A dialog has its own keys.
    if (document.querySelector("dialog[open]") !== null) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") (event.target as HTMLElement).blur();
      return;
    }
    const { key } = event;
    const found = KEYS.find(({ keys }) => keys.includes(key) || keys.includes(key.toLowerCase()));
    if (found === undefined || (room.value !== "recordings" && !EVERYWHERE.includes(key))) return;
    event.preventDefault();
    found.act(bench);
  });
}
