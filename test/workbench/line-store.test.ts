import { describe, expect, it } from "vitest";
import { blobFile } from "../../src/formats/input/input-data.ts";
import { LineStore } from "../../src/workbench/desk/line-store.ts";
import { Random } from "../helpers/random.ts";
import { times } from "../helpers/some.ts";

/** Lines of any length, some longer than what is read at a time. */
function textOf(random: Random): string {
  const lines = Array.from({ length: random.below(3000) }, (_, i) => {
    const length = random.chance(0.01) ? random.below(100_000) : random.below(60);
    return `${i}${"x".repeat(length)}`;
  });
  return lines.join("\n") + (random.chance(0.5) ? "\n" : "");
}

describe("lines of a file that was read once", () => {
  it.each([true, false])("are those of its text; packed: %s", async (isPacked) => {
    const random = new Random(isPacked ? 1 : 2);
    for (let round = 0; round < times(4, 12); round++) {
      const text = textOf(random);
      const bytes = new TextEncoder().encode(text);
      const store = new LineStore(isPacked ? undefined : blobFile(new Blob([bytes])));
      for (let at = 0; at < bytes.length; ) {
        const next = at + 1 + random.below(150_000);
        store.push(bytes.subarray(at, next));
        at = next;
      }
      const lines = text.split("\n").map((line) => (line.length > 4096 ? `${line.slice(0, 4096)}…` : line));
      for (let i = 0; i < 30; i++) {
        const first = random.below(lines.length + 3);
        const end = first + random.below(400);
        const from = Math.max(1, first) - 1;
        const expected = bytes.length === 0 ? [] : lines.slice(from, Math.max(from, end - 1));
        expect(await store.read(first, end)).toEqual(expected);
      }
    }
  });
});
