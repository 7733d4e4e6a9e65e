import type { Random } from "../helpers/random.ts";

const EDGES = [0n, 1n, 2n, 3n, 0xfffn, 0x1000n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 0x1_0000_0000n];
const TOP = 1n << 64n;

/** A value of 64 bits, often one at an edge: of 0, of a half, of the sign of a half, or of 2^64. */
export function anyValue(random: Random): bigint {
  const edge = random.pick(EDGES);
  return random.pick([
    () => edge,
    () => TOP - 1n - edge,
    () => (edge << 32n) & (TOP - 1n),
    () => (1n << BigInt(random.below(64))) - BigInt(random.below(2)),
    () => random.u64(),
    () => random.u64() >> BigInt(random.below(64)),
  ])();
}

/** The halves of a value, by the plainest arithmetic that there is. */
export const halves = (value: bigint): readonly [hi: number, lo: number] => [
  Number(value / 2n ** 32n),
  Number(value % 2n ** 32n),
];
