import { HATCHED, INKS, type Picture, type Renderer } from "./renderer.ts";

/** Colours and letters of a picture. */
export interface Palette {
  /** By ink. */
  readonly colours: readonly string[];
  readonly background: string;
  readonly text: string;
  /** Font of labels, and its height in pixels. */
  readonly family: string;
  readonly fontSize: number;
}

/** Writes pictures as SVG. */
export class SvgRenderer implements Renderer {
  readonly #palette: Palette;
  #text = "";

  constructor(palette: Palette) {
    this.#palette = palette;
  }

  /** What was drawn last, as a file. */
  get text(): string {
    return this.#text;
  }

  draw({ width, height, bars, labels }: Picture): void {
    const { colours, background, text, family, fontSize } = this.#palette;
    const hatched = new Set<number>();
    const parts: string[] = [];
    let ink = -1;
    let path: string[] = [];
    const end = (): void => {
      if (path.length > 0) parts.push(`<path fill="${fillOf(ink, colours)}" d="${path.join("")}"/>`);
      path = [];
    };
    // Later bars lie over earlier ones: only neighbours of one ink are one path.
    for (let i = 0; i < bars.count; i++) {
      if (bars.inks[i] !== ink) end();
      ink = bars.inks[i]!;
      const [x, y, w, h] = [bars.x[i]!, bars.y[i]!, bars.width[i]!, bars.height[i]!].map(short);
      path.push(`M${x} ${y}h${w}v${h}h-${w}z`);
      if (HATCHED.has(INKS[ink]!)) hatched.add(ink);
    }
    end();
    for (const { x, y, text: words, align } of labels) {
      const anchor = { left: "start", right: "end", center: "middle" }[align];
      const place = `x="${short(x)}" y="${short(y)}" text-anchor="${anchor}"`;
      parts.push(
        `<text ${place} paint-order="stroke" stroke="${background}" stroke-width="3">${escaped(words)}</text>`,
      );
    }
    const hatches = [...hatched].map((one) => hatch(one, colours[one]!)).join("");
    this.#text = [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${short(width)}" height="${short(height)}" viewBox="0 0 ${short(width)} ${short(height)}">`,
      hatches === "" ? "" : `<defs>${hatches}</defs>`,
      `<rect width="100%" height="100%" fill="${background}"/>`,
      `<g fill="${text}" font-family="${escaped(family)}" font-size="${fontSize}">`,
      ...parts,
      "</g></svg>\n",
    ].join("\n");
  }
}

const fillOf = (ink: number, colours: readonly string[]): string =>
  HATCHED.has(INKS[ink]!) ? `url(#hatch-${ink})` : colours[ink]!;

const hatch = (ink: number, colour: string): string =>
  `<pattern id="hatch-${ink}" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M-1 1l2-2M0 6l6-6M5 7l2-2" stroke="${colour}" stroke-width="1.5"/></pattern>`;

/** A hundredth of a pixel is enough. */
const short = (value: number): string => String(Math.round(value * 100) / 100);

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => ESCAPES[character]!);
