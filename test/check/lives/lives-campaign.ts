import { describe, expect, it } from "vitest";
import { aliveAt, groupAlive, whoMaps } from "../../../src/check/index.ts";
import { Random, runSeed } from "../../helpers/random.ts";
import { has, linuxRecording, type NaiveLife, PAGES, qemuRecording, START } from "./naive-lives.ts";

const RECORDINGS = { linux: linuxRecording, qemu: qemuRecording };
const rowsOf = (count: number) =>
  Array.from({ length: count }, (_, i) => runSeed() * 1000 + i).flatMap((seed) =>
    (["linux", "qemu"] as const).map((kind) => ({ kind, seed })),
  );

const bus = (page: number): bigint => BigInt(START + page * 4096);
const beginsOf = (lives: readonly { readonly begin: number }[]): number[] => lives.map(({ begin }) => begin);

/** Does a mapping go on over the border in front of a page? */
const straddles = (lives: readonly NaiveLife[], page: number, event: number): boolean =>
  lives.some((life) => has(life, page - 1, event) && has(life, page, event));

/** Recordings of so many seeds tell who had an address, and what was alive, as a book of all pages does. */
export function compareLives(seeds: number): void {
  const rows = rowsOf(seeds);
  describe("who had an address, against a book of all pages", () => {
    it.each(rows)("$kind, seed $seed", async ({ kind, seed }) => {
      const { text, events, lives } = RECORDINGS[kind](seed);
      const random = new Random(seed + 7);
      for (let round = 0; round < 8; round++) {
        const first = random.below(PAGES);
        const last = Math.min(PAGES - 1, first + random.below(5));
        const event = random.below(events);
        const query = { first: bus(first), last: bus(last) + 0xfffn, most: 1000 };
        const answer = await whoMaps(text, query, { event });
        const what = `pages ${first}-${last} at event ${event}`;
        const asked = Array.from({ length: last - first + 1 }, (_, i) => first + i);
        const having = lives.filter(({ pages }) => asked.some((page) => pages.has(page)));
        const isNow = (life: NaiveLife): boolean => asked.some((page) => has(life, page, event));
        expect(answer.found, what).toBe(having.length > 0);
        expect(answer.moment?.event, what).toBe(event);
        for (const { space, now, earlier, later, earlierCount, laterCount, before, after } of answer.spaces) {
          const mine = having.filter((life) => life.space === space);
          const known = (found: typeof now): number[] => found.map(({ life }) => life.made!.event);
          const past = mine.filter((life) => life.begin <= event && !isNow(life));
          const future = mine.filter((life) => life.begin > event);
          expect(known(now), what).toEqual(beginsOf(mine.filter(isNow)));
          expect(
            known(earlier).sort((a, b) => a - b),
            what,
          ).toEqual(beginsOf(past));
          expect(known(later), what).toEqual(beginsOf(future));
          expect([earlierCount, laterCount], what).toEqual([past.length, future.length]);
          for (const { life, endCount, uses } of [...now, ...earlier, ...later]) {
            const naive = mine.find(({ begin }) => begin === life.made!.event)!;
            const ends = new Set(
              asked.map((page) => naive.pages.get(page)).filter((end) => end !== undefined),
            );
            expect(endCount > 0, what).toBe(ends.size > 0);
            const used = uses.reduce((sum, { count }) => sum + count, 0);
            if (kind === "linux") expect(used, what).toBe(naive.uses.length);
          }
          const mapped = lives.filter((life) => life.space === space);
          const isMapped = (page: number): boolean => mapped.some((life) => has(life, page, event));
          let below = first - 1;
          while (below >= 0 && !isMapped(below)) below--;
          let above = last + 1;
          while (above < PAGES && !isMapped(above)) above++;
          // A mapping that lies on both sides of an edge begins where the addresses are.
          if (before?.isAlive === true && !straddles(mapped, first, event))
            expect(before.distance, what).toBe(BigInt(first - 1 - below) * 4096n);
          if (after?.isAlive === true && !straddles(mapped, last + 1, event))
            expect(after.distance, what).toBe(BigInt(above - last - 1) * 4096n);
          if (below >= 0 && !straddles(mapped, first, event)) expect(before?.isAlive, what).toBe(true);
        }
      }
    });
  });

  describe("what is alive, against a book of all pages", () => {
    it.each(rows)("$kind, seed $seed", async ({ kind, seed }) => {
      const { text, events, lives } = RECORDINGS[kind](seed);
      const random = new Random(seed + 8);
      for (let round = 0; round < 5; round++) {
        const event = random.below(events);
        const left = (life: NaiveLife): number =>
          [...life.pages.keys()].filter((page) => has(life, page, event)).length;
        const { mappings } = await aliveAt(text, { event });
        const expected = lives.filter((life) => left(life) > 0);
        expect(mappings.map(({ life }) => life.made?.event)).toEqual(beginsOf(expected));
        // What was left then, however the recording goes on.
        expect(mappings.map((mapping) => Number(mapping.left))).toEqual(
          expected.map((life) => left(life) * 4096),
        );
        const groups = groupAlive(mappings, ["space"], "address");
        for (const { mappings: sorted } of groups) {
          const firsts = sorted.map(({ stretches }) => stretches[0]!.first);
          expect(firsts).toEqual([...firsts].sort((a, b) => (a < b ? -1 : 1)));
        }
        expect(groups.reduce((sum, group) => sum + group.mappings.length, 0)).toBe(expected.length);
      }
    });
  });
}
