import { expect, it } from "vitest";
import { countBytes } from "../../src/base/count-bytes.ts";
import { Random } from "../helpers/random.ts";

it("counts a byte among others, wherever it stands", () => {
  const random = new Random(4);
  for (let round = 0; round < 300; round++) {
    const bytes = new Uint8Array(random.below(5000));
    const values = random.pick([1, 2, 3, 256]);
    const wanted = random.pick([0x0a, 0, 0x80, 0xff, 1]);
    for (let i = 0; i < bytes.length; i++) bytes[i] = wanted + random.below(values);
    const part = bytes.subarray(random.below(9), bytes.length - random.below(9));
    expect(countBytes(part, wanted)).toBe(part.filter((byte) => byte === wanted).length);
  }
});
