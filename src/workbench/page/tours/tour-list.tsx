import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Region } from "../parts.tsx";
import { startTour } from "./tour.ts";
import { TOURS } from "./tours.ts";

/** The tours that there are; one that the address names begins. */
export function TourList(): ComponentChildren {
  useEffect(() => {
    const name = new URLSearchParams(location.hash.slice(1)).get("tour");
    const wanted = TOURS.find((one) => one.name === name);
    if (wanted !== undefined) startTour(wanted);
  }, []);
  return (
    <Region name="Tours" class="tours">
      <p class="lead">
        Three things to do, step by step. Each says what to do next, and goes on when it is done.
      </p>
      <ul class="examples">
        {TOURS.map((tour) => (
          <li key={tour.name}>
            <button type="button" onClick={() => startTour(tour)}>
              <strong>{tour.title}</strong>
              <span>{tour.about}</span>
              <span class="dim">{tour.steps.length} steps, with the keyboard alone if you like</span>
            </button>
          </li>
        ))}
      </ul>
    </Region>
  );
}
