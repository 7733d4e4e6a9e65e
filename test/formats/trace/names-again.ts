import { NameTable } from "../../../src/formats/trace/words.ts";
import type { Random } from "../../helpers/random.ts";

const encoder = new TextEncoder();

/** Looks names up in a table, and in a map from name to number; returns where they differ. */
export function nameAgain(steps: number, random: Random): string[] {
  const wrong: string[] = [];
  const table = new NameTable();
  const model = new Map<string, number>();
  let last = "";
  for (let step = 0; step < steps; step++) {
    // The same again, one that begins so, or any; too long ones and empty ones are none.
    const name = random.pick([
      () => last,
      () => last.slice(0, random.below(last.length + 1)),
      () => String.fromCharCode(97 + random.below(4)).repeat(random.below(260)),
      () => random.below(100_000).toString(3),
      () => String.fromCharCode(...Array.from({ length: random.below(4) }, () => random.below(128))),
    ])();
    const isNone = name.length === 0 || name.length > 256 || (model.size === 65_536 && !model.has(name));
    if (!isNone && !model.has(name)) model.set(name, model.size);
    const bytes = encoder.encode(`<${name}>`);
    const found = table.number(bytes, 1, bytes.length - 1);
    const expected = isNone ? -1 : model.get(name)!;
    if (found !== expected) wrong.push(`step ${step}: ${found} for ${JSON.stringify(name)}, not ${expected}`);
    if (found >= 0 && table.names[found] !== name) wrong.push(`step ${step}: ${table.names[found]}`);
    last = name;
  }
  return wrong;
}
