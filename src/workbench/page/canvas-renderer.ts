import { HATCHED, INKS, type Picture, type Renderer } from "../draw/renderer.ts";
import type { Palette } from "../draw/svg-renderer.ts";
import { palette } from "./palette.ts";

/** Draws on a canvas, in the colours of the page. */
export class CanvasRenderer implements Renderer {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  #fills: (string | CanvasPattern)[] = [];
  #palette: Palette | undefined;

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false })!;
  }

  draw({ width, height, bars, labels }: Picture): void {
    const context = this.#context;
    const ratio = globalThis.devicePixelRatio || 1;
    const [across, down] = [Math.round(width * ratio), Math.max(1, Math.round(height * ratio))];
    if (this.#canvas.width !== across || this.#canvas.height !== down) {
      this.#canvas.width = across;
      this.#canvas.height = down;
    }
    this.#takeColours();
    const { background, text: textColour, family, fontSize } = this.#palette!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = background;
    context.fillRect(0, 0, width, height);
    let ink = -1;
    const { x, y, width: widths, height: heights, inks } = bars;
    for (let i = 0; i < bars.count; i++) {
      if (inks[i] !== ink) {
        ink = inks[i]!;
        context.fillStyle = this.#fills[ink]!;
      }
      context.fillRect(x[i]!, y[i]!, widths[i]!, heights[i]!);
    }
    context.fillStyle = textColour;
    context.font = `${fontSize}px ${family}`;
    for (const { x, y, text, align } of labels) {
      context.textAlign = align;
      context.lineWidth = 3;
      context.strokeStyle = background;
      context.strokeText(text, x, y);
      context.fillText(text, x, y);
    }
  }

  /** Takes the colours of the page, which change with the system's wish. */
  #takeColours(): void {
    const { value } = palette;
    if (value === this.#palette) return;
    this.#palette = value;
    this.#fills = value.colours.map((colour, ink) =>
      HATCHED.has(INKS[ink]!) ? this.#hatched(colour) : colour,
    );
  }

  #hatched(colour: string): CanvasPattern {
    const tile = new OffscreenCanvas(6, 6);
    const context = tile.getContext("2d")!;
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    for (const from of [-6, 0, 6]) {
      context.beginPath();
      context.moveTo(from, 6);
      context.lineTo(from + 6, 0);
      context.stroke();
    }
    return this.#context.createPattern(tile, "repeat")!;
  }
}
