import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { spacesOf } from "../../../src/check/lives/alive.ts";
import type { Life } from "../../../src/check/lives/life.ts";
import { callersOf, LinuxLives } from "../../../src/check/lives/linux-lives.ts";
import { MappingTravel } from "../../../src/check/travel/mapping-travel.ts";
import { statesAtMoments } from "../../../src/check/whole/windows-at.ts";
import { TraceSource } from "../../../src/formats/trace/trace-source.ts";
import { readCorpus } from "../../helpers/corpus.ts";
import { Random, runSeed } from "../../helpers/random.ts";

const seed = runSeed();

/** Compares the mappings of recordings, after the events of some moments, with what reading up to there gives. */
export function compareMappings(names: readonly string[]): void {
  describe("the mappings of Linux after any event, after one reading", () => {
    it.each(names)(`are those that a reading up to there shows, seed ${seed}: %s`, async (name) => {
      const bytes = readCorpus("traces", `${name}.txt`);
      let travel = new MappingTravel(() => undefined);
      let lives: LinuxLives | undefined;
      const begun: Life[] = [];
      const source = new TraceSource(name, {
        qemu: () => {},
        linux: (event, names) => {
          if (lives === undefined) {
            travel = new MappingTravel((number) => callersOf(names.stacks, number));
            const begin = travel.begin.bind(travel);
            travel.begin = (life) => {
              begun.push(life);
              begin(life);
            };
            lives = new LinuxLives(travel, names);
          }
          lives.handle(event);
        },
        gap: () => {},
      });
      source.push(bytes);
      source.end();
      // What is kept as numbers is what was there.
      const told = ({ made, ...life }: Life): unknown => [life, made && { ...made, stack: made.stack }];
      for (const [number, life] of begun.entries()) {
        const [found, expected] = [told(travel.lives.life(number)), told(life)];
        if (!isDeepStrictEqual(found, expected)) expect(found).toEqual(expected);
      }
      const random = new Random(seed);
      const events = [0, source.events - 1, ...Array.from({ length: 5 }, () => random.below(source.events))];
      const states = await statesAtMoments(
        bytes,
        events.map((event) => ({ event })),
        { onTruncated: () => {} },
      );
      const shown = (spaces: ReturnType<typeof spacesOf>): unknown =>
        spaces.map(({ space, mappings }) => ({
          space,
          mappings: mappings.map(({ life, stretches, left }) => [
            life.made?.event,
            life.access,
            stretches,
            left,
          ]),
        }));
      for (const [i, { spaces }] of states.entries())
        expect(shown(spacesOf(travel.at(events[i]!))), `event ${events[i]}`).toEqual(shown([...spaces]));
    });
  });
}
