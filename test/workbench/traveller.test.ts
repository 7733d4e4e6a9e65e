import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Traveller } from "../../src/workbench/traveller.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Milliseconds until a traveller rests who goes on each so many of them, for so many. */
async function waited(every: number, duration: number): Promise<number> {
  const traveller = new Traveller({
    now: () => performance.now(),
    wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  });
  traveller.at(0);
  await vi.advanceTimersByTimeAsync(every);
  traveller.at(1);
  const start = performance.now();
  let end = Number.NaN;
  void traveller.rest().then(() => {
    end = performance.now();
  });
  for (let at = every; at <= duration; at += every) {
    await vi.advanceTimersByTimeAsync(every);
    traveller.at(at + 1);
  }
  await vi.advanceTimersByTimeAsync(5000);
  return end - start;
}

it.each([
  { is: "who came to one moment and stays is not waited for", every: 1000, duration: 0, wait: 0 },
  { is: "who goes on slowly does not travel", every: 300, duration: 3000, wait: 0 },
  { is: "who went on at once is waited for, until they stay", every: 50, duration: 0, wait: 250 },
  { is: "each move begins the wait anew", every: 50, duration: 400, wait: 650 },
  { is: "who never stays is not waited for for ever", every: 50, duration: 10_000, wait: 1000 },
])("$is", async ({ every, duration, wait }) => {
  const ms = await waited(every, duration);
  expect(ms).toBeGreaterThanOrEqual(wait);
  expect(ms).toBeLessThanOrEqual(wait + 10);
});
