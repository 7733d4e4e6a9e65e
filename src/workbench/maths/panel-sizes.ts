/** A panel whose size one may choose, in pixels: across or down. */
export interface Panel {
  readonly name: PanelName;
  readonly least: number;
  readonly most: number;
}

/** Names of {@link PANELS}, as the page's address has them. */
export type PanelName = "side" | "findings" | "time" | "lives" | "selection" | "lines";

/** All panels that can be resized; what is left of the page belongs to the others. */
export const PANELS: Readonly<Record<PanelName, Panel>> = {
  side: { name: "side", least: 200, most: 640 },
  findings: { name: "findings", least: 100, most: 900 },
  time: { name: "time", least: 90, most: 640 },
  lives: { name: "lives", least: 80, most: 640 },
  selection: { name: "selection", least: 180, most: 720 },
  lines: { name: "lines", least: 56, most: 480 },
};

/** Sizes that somebody chose. */
export type PanelSizes = Readonly<Partial<Record<PanelName, number>>>;

/** The size as a panel can have it. */
export const panelSize = ({ least, most }: Panel, size: number): number =>
  Math.round(Math.max(least, Math.min(most, size)));

const PART = /^([a-z]+):(\d+)$/;

/** `side:320,time:200`. */
export const sizesToText = (sizes: PanelSizes): string =>
  Object.entries(sizes)
    .map(([name, size]) => `${name}:${size}`)
    .join(",");

/** Reads what {@link sizesToText} wrote; what is no panel is left out. */
export function sizesOfText(text: string): PanelSizes {
  const sizes: Partial<Record<PanelName, number>> = {};
  for (const part of text.split(",")) {
    const [, name = "", size = ""] = PART.exec(part) ?? [];
    if (Object.hasOwn(PANELS, name))
      sizes[name as PanelName] = panelSize(PANELS[name as PanelName], Number(size));
  }
  return sizes;
}
