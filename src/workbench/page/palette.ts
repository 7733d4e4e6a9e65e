import { INKS } from "../draw/renderer.ts";
import type { Palette } from "../draw/svg-renderer.ts";

/** The colours that the page has now, by the system's wish. */
export function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element);
  const value = (name: string): string => style.getPropertyValue(name).trim();
  return {
    colours: INKS.map((ink) => value(`--ink-${ink}`)),
    background: value("--canvas"),
    text: value("--text"),
    family: value("--mono"),
    fontSize: 11,
  };
}
