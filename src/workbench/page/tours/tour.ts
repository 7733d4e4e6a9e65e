import { type Signal, signal } from "@preact/signals";

/** One thing to do. */
export interface TourStep {
  /** What to do, and why. */
  readonly say: string;
  /** Where that is on the page: what is outlined, and where "show me" goes. */
  readonly at: string;
  /** Is it done? Looks at signals, so that it is asked again when they change. */
  isDone(): boolean;
  /** Does it, for people who only want to look. */
  readonly help?: () => void;
}

/** A walk through something that the page shows, one thing to do after the other. */
export interface Tour {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly steps: readonly TourStep[];
  /** What to remember. */
  readonly end: string;
  /** Brings the page to where the tour begins. */
  begin(): void;
}

/** The tour that is being made, and how many of its steps are done. */
export const tour: Signal<{ readonly tour: Tour; readonly step: number } | undefined> = signal(undefined);

/** Begins a tour. */
export function startTour(one: Tour): void {
  one.begin();
  tour.value = { tour: one, step: 0 };
}
