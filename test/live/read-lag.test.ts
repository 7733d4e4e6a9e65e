import { expect, it } from "vitest";
import { ReadLag } from "../../src/live/read-lag.ts";

it("is how long the next byte to be read has been there", () => {
  const lag = new ReadLag();
  expect(lag.at(0, 1000)).toEqual({ bytes: 0, seconds: 0 });
  lag.seen(100, 1000);
  lag.seen(300, 2000);
  lag.seen(300, 2500);
  expect(lag.at(0, 3000)).toEqual({ bytes: 300, seconds: 2 });
  expect(lag.at(100, 3000)).toEqual({ bytes: 200, seconds: 1 });
  expect(lag.at(250, 3500)).toEqual({ bytes: 50, seconds: 1.5 });
  expect(lag.at(300, 3500)).toEqual({ bytes: 0, seconds: 0 });
  lag.seen(400, 4000);
  lag.reset();
  expect(lag.at(0, 5000)).toEqual({ bytes: 0, seconds: 0 });
});

it("forgets every other look when there are many, and never the last", () => {
  const lag = new ReadLag();
  for (let i = 1; i <= 100_000; i++) lag.seen(i, i);
  const { bytes, seconds } = lag.at(50_000, 200_000);
  expect(bytes).toBe(50_000);
  // The next look that is remembered may be later, by some hundredths of all.
  expect(seconds).toBeGreaterThan(149);
  expect(seconds).toBeLessThanOrEqual(150);
});
