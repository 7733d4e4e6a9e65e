import { describe, expect, it } from "vitest";
import { FIRST_KEYS, type Key, type KeyState, pressKey } from "../../../src/cli/screen/keys.ts";

const LIMITS = { most: 90, page: 10 };
const named = (name: string): Key => ({ name, text: "" });
const typed = (text: string): Key => ({ text });

const press = (...keys: readonly Key[]): KeyState =>
  keys.reduce((state: KeyState, key) => pressKey(state, key, LIMITS), FIRST_KEYS);

describe("keys", () => {
  it("choose a pane", () => {
    expect(press(named("tab")).pane).toBe("alive");
    expect(press(named("tab"), named("tab"), named("tab")).pane).toBe("windows");
    expect(press(typed("3")).pane).toBe("findings");
  });

  it("scroll within what there is", () => {
    expect(press(named("down"), typed("j"), named("up")).scroll.windows).toBe(1);
    expect(press(named("up")).scroll.windows).toBe(0);
    expect(press(named("pagedown"), named("pagedown")).scroll.windows).toBe(20);
    expect(press(typed("G"), named("down")).scroll.windows).toBe(90);
    expect(press(named("end"), named("pageup")).scroll.windows).toBe(80);
    expect(press(named("end"), named("home")).scroll.windows).toBe(0);
    expect(press(typed("2"), named("down")).scroll).toEqual({ windows: 0, alive: 1, findings: 0 });
  });

  it("sort by each column in turn, numbers with the largest first, and by none", () => {
    expect(press(typed("s")).sort.windows).toEqual({ column: 0, down: false });
    expect(press(typed("s"), typed("s"), typed("s")).sort.windows).toEqual({ column: 2, down: true });
    expect(press(typed("s"), typed("S")).sort.windows).toEqual({ column: undefined, down: false });
    expect(press(typed("s"), typed("r")).sort.windows).toEqual({ column: 0, down: true });
  });

  it("type a filter, in which letters are text", () => {
    const typing = press(typed("/"), typed("q"), typed("p"), typed("ü"));
    expect(typing).toMatchObject({ isTyping: true, filter: "qpü", isPaused: false });
    const more = [typed("/"), typed("a"), typed("b")];
    expect(press(...more, named("backspace")).filter).toBe("a");
    expect(press(...more, { name: "b", ctrl: true, text: "\u0002" }, typed("\u001b[A")).filter).toBe("ab");
    expect(press(...more, named("return"))).toMatchObject({ isTyping: false, filter: "ab" });
    expect(press(...more, named("escape"))).toMatchObject({ isTyping: false, filter: "" });
    expect(press(...more, named("return"), named("escape")).filter).toBe("");
  });

  it("hold, and help", () => {
    expect(press(typed("p")).isPaused).toBe(true);
    expect(press(typed(" "), typed("p")).isPaused).toBe(false);
    expect(press(typed("?")).isHelp).toBe(true);
    expect(press(typed("h"), typed("h")).isHelp).toBe(false);
    expect(press(typed("x"), named("f5"))).toEqual(FIRST_KEYS);
  });
});
