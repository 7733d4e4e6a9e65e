import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { INKS } from "../draw/renderer.ts";
import type { Palette } from "../draw/svg-renderer.ts";

const dark = matchMedia("(prefers-color-scheme: dark)");
/** One for the page: who listened only while something is shown would miss a change between two of its renderings. */
const isDark = signal(dark.matches);
dark.addEventListener("change", () => {
  isDark.value = dark.matches;
});

/**
 * The colours that the page has now, by the system's wish: pictures are drawn anew when they change. They are kept, as asking
 * the browser for them takes longer than drawing most pictures.
 */
export const palette: ReadonlySignal<Palette> = computed(() => {
  void isDark.value;
  const style = getComputedStyle(document.documentElement);
  const value = (name: string): string => style.getPropertyValue(name).trim();
  return {
    colours: INKS.map((ink) => value(`--ink-${ink}`)),
    background: value("--canvas"),
    text: value("--text"),
    family: value("--mono"),
    fontSize: 11,
  };
});
