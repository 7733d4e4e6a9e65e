import { PANE_NAMES, PANES, type PaneName } from "./panes.ts";

/** What its user has chosen. */
export interface KeyState {
  /** The pane that keys are for. */
  readonly pane: PaneName;
  /** By pane: the column that it is sorted by, undefined for the order in which rows come, and whether the largest comes first. */
  readonly sort: Readonly<Record<PaneName, { readonly column: number | undefined; readonly down: boolean }>>;
  /** By pane: rows above the first one that is shown. */
  readonly scroll: Readonly<Record<PaneName, number>>;
  /** Only rows that have this text are shown. */
  readonly filter: string;
  /** Is the filter being typed? Then letters are text. */
  readonly isTyping: boolean;
  /** Is what is shown held? What happens is read on. */
  readonly isPaused: boolean;
  readonly isHelp: boolean;
}

export const FIRST_KEYS: KeyState = {
  pane: "windows",
  sort: {
    windows: { column: undefined, down: false },
    alive: { column: undefined, down: false },
    findings: { column: undefined, down: false },
  },
  scroll: { windows: 0, alive: 0, findings: 0 },
  filter: "",
  isTyping: false,
  isPaused: false,
  isHelp: false,
};

/** How far the pane with the keys can be scrolled, as it was drawn last. */
export interface ScrollLimits {
  /** Rows above the first one when the last one is shown. */
  readonly most: number;
  /** Rows that are shown. */
  readonly page: number;
}

/** A key, as `node:readline` tells of it. */
export interface Key {
  /** `up`, `pagedown`, `escape`, `a`; undefined for what is only a character. */
  readonly name?: string | undefined;
  readonly ctrl?: boolean | undefined;
  /** The character that it writes, if it writes one. */
  readonly text: string;
}

/** All keys, for the help: what to press, and what that does. */
export const KEYS: readonly (readonly [key: string, what: string])[] = [
  ["Tab, 1 2 3", "the next pane, or the first, second, third: keys are for the one marked >"],
  ["s, S", "sort by the next column, or the one before"],
  ["r", "the other way round"],
  ["Up Down, j k", "scroll by a row"],
  ["PgUp PgDn", "scroll by a page"],
  ["Home End, g G", "to the first row, to the last"],
  ["/", "show only rows with a text; Enter keeps it, Esc ends it"],
  ["p, Space", "hold what is shown; events are read on"],
  ["h, ?", "this help"],
  ["Ctrl-Z", "to the shell; fg comes back"],
  ["q, Ctrl-C", "put QEMU's settings back, and end; twice: at once"],
];

/** The state after a key; the same one if the key means nothing. What ends the program is not handled here. */
export function pressKey(state: KeyState, key: Key, limits: ScrollLimits): KeyState {
  if (state.isTyping) return typeKey(state, key);
  const { pane } = state;
  const scrollTo = (row: number): KeyState => ({
    ...state,
    scroll: { ...state.scroll, [pane]: Math.max(0, Math.min(row, limits.most)) },
  });
  const at = Math.min(state.scroll[pane], limits.most);
  switch (key.name) {
    case "up":
      return scrollTo(at - 1);
    case "down":
      return scrollTo(at + 1);
    case "pageup":
      return scrollTo(at - limits.page);
    case "pagedown":
      return scrollTo(at + limits.page);
    case "home":
      return scrollTo(0);
    case "end":
      return scrollTo(limits.most);
    case "tab":
      return { ...state, pane: PANE_NAMES[(PANE_NAMES.indexOf(pane) + 1) % PANE_NAMES.length]! };
    case "escape":
      return { ...state, isHelp: false, filter: "" };
  }
  switch (key.text) {
    case "1":
    case "2":
    case "3":
      return { ...state, pane: PANE_NAMES[Number(key.text) - 1]! };
    case "k":
      return scrollTo(at - 1);
    case "j":
      return scrollTo(at + 1);
    case "g":
      return scrollTo(0);
    case "G":
      return scrollTo(limits.most);
    case "s":
      return sortBy(state, 1);
    case "S":
      return sortBy(state, -1);
    case "r":
      return {
        ...state,
        sort: { ...state.sort, [pane]: { ...state.sort[pane], down: !state.sort[pane].down } },
      };
    case "/":
      return { ...state, isTyping: true, filter: "" };
    case "p":
    case " ":
      return { ...state, isPaused: !state.isPaused };
    case "h":
    case "?":
      return { ...state, isHelp: !state.isHelp };
  }
  return state;
}

/** Goes to the next column, after the last to none. What is a number is wanted largest first. */
function sortBy(state: KeyState, step: 1 | -1): KeyState {
  const { pane, sort } = state;
  const { columns } = PANES[pane];
  const places = columns.length + 1;
  const column = ((sort[pane].column ?? columns.length) + step + places) % places;
  const isNone = column === columns.length;
  const chosen = { column: isNone ? undefined : column, down: columns[column]?.align === "right" };
  return { ...state, sort: { ...sort, [pane]: chosen } };
}

function typeKey(state: KeyState, { name, ctrl, text }: Key): KeyState {
  if (name === "return" || name === "enter") return { ...state, isTyping: false };
  if (name === "escape") return { ...state, isTyping: false, filter: "" };
  if (name === "backspace") return { ...state, filter: [...state.filter].slice(0, -1).join("") };
  return ctrl === true || !/^[^\p{C}]+$/u.test(text) ? state : { ...state, filter: state.filter + text };
}
