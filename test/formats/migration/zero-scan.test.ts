import { it } from "vitest";
import { firstNonZero } from "../../../src/formats/migration/zero-scan.ts";
import { same } from "../../helpers/same.ts";

it("finds each byte that is not zero, at each alignment and length", () => {
  const bytes = new Uint8Array(120);
  for (let from = 0; from < 9; from++) {
    for (let end = from; end <= from + 80; end++) {
      same(firstNonZero(bytes, from, end), end, () => `from ${from}`);
      for (let at = from; at < end; at++) {
        bytes[at] = 0x80;
        bytes[end] = 1;
        same(firstNonZero(bytes, from, end), at, () => `from ${from} to ${end}`);
        bytes[at] = 0;
      }
      bytes[end] = 0;
    }
  }
});
