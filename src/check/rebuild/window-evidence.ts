import type { Place } from "../findings/place.ts";

/** Entries that a window can have. */
export const MAX_ENTRIES: number = 2 ** 32 - 1;

/**
 * How something is known of a window: an event or the caller told it, what happened in the window shows it, or it is
 * taken for what is usual.
 */
export type HowKnown = "told" | "shown" | "assumed";

/** What there is to know of where a window lies and how it is divided. */
export type GeometryPart = "start" | "page" | "size";

/** Where a window lies and how it is divided. */
export interface Geometry {
  readonly busOffset: bigint;
  readonly pageShift: number;
  readonly entries: number;
}

/**
 * The geometry of a window, and how it is known.
 *
 * A trace tells the geometry of windows that are created or saved in it. Of others it shows it: an address that a call
 * used lies inside, one that was refused outside; so do offsets of translations. Calls name bus addresses and
 * translations offsets, so that a page that is mapped by one and read by the other shows where the window starts.
 */
export class WindowEvidence {
  /** How each part is known. Replaced when one becomes known better: who follows a window sees by that whether one did. */
  how: Readonly<Record<GeometryPart, HowKnown>>;
  geometry: Geometry;
  /** What is usual: what was taken first. */
  readonly usual: Geometry;
  /** Entries that calls used: the first and the last one, and the first one behind those that was refused. */
  firstCalled: number = Number.POSITIVE_INFINITY;
  lastCalled = -1;
  calledOutside: number = MAX_ENTRIES;
  /** The same of translations, which know of no start. */
  lastTranslated = -1;
  translatedOutside: number = MAX_ENTRIES;
  /** The event that showed it to be otherwise than usual. */
  shownAt: Place | undefined;

  constructor({ busOffset, pageShift, entries }: Geometry, how: HowKnown, page: HowKnown = how) {
    this.usual = { busOffset, pageShift, entries };
    this.geometry = this.usual;
    this.how = { start: how, page, size: how };
  }

  get start(): HowKnown {
    return this.how.start;
  }

  get page(): HowKnown {
    return this.how.page;
  }

  get size(): HowKnown {
    return this.how.size;
  }

  /** A part is known now, or in another way. */
  know(part: GeometryPart, how: HowKnown): void {
    if (this.how[part] !== how) this.how = { ...this.how, [part]: how };
  }

  /** Names of what is assumed. */
  get assumed(): readonly GeometryPart[] {
    return (["start", "page", "size"] as const).filter((part) => this[part] === "assumed");
  }

  /** Is it otherwise than usual? */
  get isUnusual(): boolean {
    const { usual, geometry } = this;
    return (
      geometry.busOffset !== usual.busOffset ||
      geometry.pageShift !== usual.pageShift ||
      geometry.entries !== usual.entries
    );
  }

  /** Entries that the window has at least. */
  get least(): number {
    return Math.max(this.lastCalled, this.lastTranslated) + 1;
  }

  /** A call stored or read entries. */
  called(first: number, count: number): void {
    if (first < this.firstCalled) this.firstCalled = first;
    if (first + count - 1 > this.lastCalled) this.lastCalled = first + count - 1;
  }

  /** The geometry, as an event or the caller tells it. */
  tell({ busOffset, pageShift, entries }: Geometry): void {
    this.geometry = { busOffset, pageShift, entries };
    this.how = { start: "told", page: "told", size: "told" };
  }

  /** The pages have another size than was assumed. */
  pages(pageShift: number): void {
    const scale = 2 ** (this.geometry.pageShift - pageShift);
    const ofUsual = this.usual.entries * 2 ** (this.usual.pageShift - pageShift);
    const { busOffset } = this.geometry;
    this.geometry = {
      busOffset,
      pageShift,
      entries: Math.max(1, Math.min(MAX_ENTRIES, Math.floor(ofUsual))),
    };
    this.know("page", "shown");
    if (this.lastCalled >= 0) {
      this.firstCalled = Math.floor(this.firstCalled * scale);
      this.lastCalled = Math.floor(this.lastCalled * scale);
    }
    this.calledOutside = MAX_ENTRIES;
  }

  /** Takes as many entries as are usual, if what is shown allows it; else as many as are shown, to the next power of two. */
  fitSize(): void {
    const { least } = this;
    const end = Math.min(this.calledOutside, this.translatedOutside);
    const most = Math.max(
      1,
      Math.floor(this.usual.entries * 2 ** (this.usual.pageShift - this.geometry.pageShift)),
    );
    const room = least > most ? Math.min(2 ** Math.ceil(Math.log2(least)), MAX_ENTRIES) : most;
    if (end === least && this.size === "assumed") this.know("size", "shown");
    this.geometry = { ...this.geometry, entries: Math.max(1, Math.min(room, end)) };
  }

  /** The window starts so many pages later than was assumed; that is shown now, or assumed again. */
  startLater(pages: number, busOffset: bigint, how: "shown" | "assumed"): void {
    if (this.lastCalled >= 0) {
      this.firstCalled -= pages;
      this.lastCalled -= pages;
    }
    if (this.calledOutside < MAX_ENTRIES) this.calledOutside -= pages;
    this.geometry = { ...this.geometry, busOffset };
    this.know("start", how);
    this.fitSize();
  }
}
