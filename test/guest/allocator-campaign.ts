import { expect } from "vitest";
import { GuestWindow } from "../../src/guest/guest-window.ts";
import { IommuTable } from "../../src/guest/iommu-table.ts";
import { Random } from "../helpers/random.ts";
import { NaiveTable, type TableRequest } from "./naive-table.ts";

/** Windows that a campaign goes through: small ones are full soon. */
const WINDOWS = [
  { busOffset: 0n, pageShift: 12, length: 64 },
  { busOffset: 0n, pageShift: 12, length: 1000 },
  { busOffset: 1n << 59n, pageShift: 16, length: 700 },
  { busOffset: 0x8000_0000n, pageShift: 24, length: 256 },
];

/** Random requests to a table and to a naive one: the same entries, and the same that are taken. */
export function allocatorCampaign(seed: number, steps: number): void {
  const random = new Random(seed);
  for (const { busOffset, pageShift, length } of WINDOWS) {
    const table = new IommuTable(new GuestWindow(1, busOffset, pageShift), length);
    const naive = new NaiveTable(busOffset, pageShift, length);
    const live: { readonly at: number; readonly pages: number }[] = [];
    for (let step = 0; step < steps; step++) {
      if (live.length > 0 && random.below(100) < 45) {
        const [gone] = live.splice(random.below(live.length), 1);
        expect(table.give(gone!.at, gone!.pages)).toBe(true);
        naive.free(gone!.at, gone!.pages);
        continue;
      }
      const request: TableRequest = {
        pages: random.below(4) === 0 ? 1 + random.below(60) : 1 + random.below(8),
        alignOrder: random.below(5),
        cpu: random.below(16),
        ...(random.below(3) === 0 ? { handle: random.below(length) } : {}),
        ...(random.below(4) === 0
          ? { mask: busOffset + (BigInt(random.below(length) + 1) << BigInt(pageShift)) - 1n }
          : {}),
        ...(random.below(4) === 0 ? { boundary: 2 ** pageShift * 2 ** (5 + random.below(4)) } : {}),
      };
      const at = table.allocate(request.pages, table.limitsOf(request), request.handle);
      const wanted = naive.allocate(request);
      if (at !== wanted)
        throw new Error(`SEED=${seed}, step ${step}: ${describe(request)}: ${at}, not ${wanted}`);
      if (at >= 0) live.push({ at, pages: request.pages });
    }
    expect(table.free).toBe(naive.taken.filter((taken) => !taken).length);
  }
}

const describe = (request: TableRequest): string =>
  JSON.stringify(request, (_, value) => (typeof value === "bigint" ? `0x${value.toString(16)}` : value));
