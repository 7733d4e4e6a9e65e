import type { Located } from "../../src/formats/located.ts";

/** What a file says, without the places, as JSON has it. */
export function plainValue({ value }: Located): unknown {
  if (Array.isArray(value)) return (value as readonly Located[]).map(plainValue);
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([name, one]) => [name, plainValue(one)]));
  return typeof value === "bigint" ? Number(value) : value;
}
