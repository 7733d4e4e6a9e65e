/** What things are drawn in; the page has a colour for each, one set for light and one for dark. */
export const INKS = [
  "read-1",
  "read-2",
  "read-3",
  "read-4",
  "write-1",
  "write-2",
  "write-3",
  "write-4",
  "both-1",
  "both-2",
  "both-3",
  "both-4",
  "age-1",
  "age-2",
  "age-3",
  "age-4",
  "age-5",
  "owner-1",
  "owner-2",
  "owner-3",
  "owner-4",
  "owner-5",
  "owner-6",
  "owner-7",
  "owner-8",
  "owner-9",
  "several",
  "inferred",
  "unknown",
  "came",
  "went",
  "map",
  "unmap",
  "use",
  "fault",
  "refused",
  "moment",
  "occupancy",
  "life",
  "alive",
  "before",
  "empty",
  "grid",
  "text",
] as const;

/** One of {@link INKS}. */
export type Ink = (typeof INKS)[number];

const NUMBERS = new Map<Ink, number>(INKS.map((ink, i) => [ink, i]));

/** The number of an ink, as bars carry it. */
export const inkOf = (ink: Ink): number => NUMBERS.get(ink)!;

/** Inks that are hatched: what they show is not sure. */
export const HATCHED: ReadonlySet<Ink> = new Set<Ink>(["inferred", "unknown"]);

/** Bars that there is room for at first: most pictures have no more, and growing leaves garbage in each frame. */
const BARS = 1024;

/** Rectangles, in pixels from the upper left corner of the picture. */
export class Bars {
  x: Float32Array = new Float32Array(BARS);
  y: Float32Array = new Float32Array(BARS);
  width: Float32Array = new Float32Array(BARS);
  height: Float32Array = new Float32Array(BARS);
  inks: Uint8Array = new Uint8Array(BARS);
  count = 0;

  add(x: number, y: number, width: number, height: number, ink: number): void {
    if (this.count === this.inks.length) this.#grow();
    const at = this.count++;
    this.x[at] = x;
    this.y[at] = y;
    this.width[at] = width;
    this.height[at] = height;
    this.inks[at] = ink;
  }

  #grow(): void {
    const longer = (was: Float32Array): Float32Array => {
      const is = new Float32Array(was.length * 2);
      is.set(was);
      return is;
    };
    this.x = longer(this.x);
    this.y = longer(this.y);
    this.width = longer(this.width);
    this.height = longer(this.height);
    const inks = new Uint8Array(this.inks.length * 2);
    inks.set(this.inks);
    this.inks = inks;
  }
}

/** A word in a picture. */
export interface Label {
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly align: "left" | "right" | "center";
}

/** What a picture is: bars, and words over them. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly bars: Bars;
  readonly labels: readonly Label[];
}

/** Draws pictures: on a canvas, as SVG, or, in tests, nowhere. */
export interface Renderer {
  draw(picture: Picture): void;
}
