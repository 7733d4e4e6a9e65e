import { describe, expect, it } from "vitest";
import { Host } from "../../src/vfio/host/host.ts";
import type { SpaprIommu } from "../../src/vfio/host/spapr-iommu.ts";
import { choosePageSize, createHostWindow, levelsFor } from "../../src/vfio/window-levels.ts";
import fc from "../helpers/fast-check.ts";

const K4 = 0x1000n;
const K64 = 0x1_0000n;
const M2 = 0x20_0000n;
const M16 = 0x100_0000n;
const G1 = 0x4000_0000n;
/** 4 KiB, 64 KiB, 2 MiB, 1 GiB: the host of the recordings. */
const HOST_SIZES = K4 | K64 | M2 | G1;

describe("page size of a host window", () => {
  // The guest's smallest page, the smallest behind its memory, what the host has -> what is taken.
  it.each([
    [K4, K64, HOST_SIZES, K4],
    [K64, K64, HOST_SIZES, K64],
    [M16, K64, HOST_SIZES, K64],
    [M16, M16, HOST_SIZES, M2],
    [M2, M16, HOST_SIZES, M2],
    [G1, G1, HOST_SIZES, G1],
    [M16, M16, K4 | K64 | M16, M16],
    [K64, K4, HOST_SIZES, K4],
    [K4, K64, K64, undefined],
    [K64, K64, M16, undefined],
  ])("guest %#x, memory %#x, host %#x: %s", (guestPageSize, ramPageSize, hostPageSizes, expected) => {
    expect(choosePageSize({ size: G1, guestPageSize, ramPageSize, hostPageSizes, hostPageSize: K64 })).toBe(
      expected,
    );
  });

  it("is the largest that fits, if any fits", () => {
    const shift = fc.integer({ min: 12, max: 34 });
    fc.assert(
      fc.property(shift, shift, fc.array(shift, { maxLength: 5 }), (guest, ram, host) => {
        const fitting = host.filter((other) => other <= guest && other <= ram);
        const expected = fitting.length === 0 ? undefined : 1n << BigInt(Math.max(...fitting));
        const request = {
          size: G1,
          guestPageSize: 1n << BigInt(guest),
          ramPageSize: 1n << BigInt(ram),
          hostPageSizes: host.reduce((mask, other) => mask | (1n << BigInt(other)), 0n),
          hostPageSize: K64,
        };
        expect(choosePageSize(request)).toBe(expected);
      }),
    );
  });
});

describe("levels", () => {
  // log2 of the window, of its page, of the host's page -> first number of levels, most.
  it.each([
    // The examples of the notes: 2^31 entries take 34 bits, 24 a level.
    [47, 16, 16, 2, 3],
    [30, 12, 16, 1, 3],
    // 2^21 entries are 24 bits: exactly one level.
    [33, 12, 16, 1, 3],
    [34, 12, 16, 2, 3],
    // Small pages of the host: 20 bits a level.
    [30, 12, 12, 2, 4],
    [29, 12, 12, 1, 4],
    [47, 16, 12, 2, 4],
    [30, 24, 16, 1, 2],
    // 2^32 entries are cut to none, which counts as 64 bits: more levels than are allowed.
    [48, 16, 16, 3, 3],
    [44, 12, 16, 3, 3],
    [64, 30, 16, 3, 2],
  ])("2^%d bytes of 2^%d, host pages of 2^%d", (window, page, host, first, most) => {
    expect(levelsFor(1n << BigInt(window), page, 1n << BigInt(host))).toEqual({ first, most });
  });
});

describe("creating a window", () => {
  const process = new Host().startProcess();
  const request = {
    size: 1n << 47n,
    guestPageSize: K64,
    ramPageSize: K64,
    hostPageSizes: HOST_SIZES,
    hostPageSize: K64,
  };

  /** A driver that refuses until a number of levels. */
  function driver(accepts: number): { iommu: SpaprIommu; asked: unknown[] } {
    const asked: unknown[] = [];
    const createWindow = (_process: unknown, { pageShift, size, levels }: Record<string, number>) => {
      asked.push([pageShift, size, levels]);
      return levels! >= accepts ? 0x1234_0000n : "EINVAL";
    };
    return { iommu: { createWindow } as unknown as SpaprIommu, asked };
  }

  it("takes the first number of levels that the host takes", () => {
    const { iommu, asked } = driver(3);
    expect(createHostWindow(iommu, process, request)).toEqual({
      start: 0x1234_0000n,
      pageSize: K64,
      levels: 3,
    });
    expect(asked).toEqual([
      [16, 1n << 47n, 2],
      [16, 1n << 47n, 3],
    ]);
  });

  it("gives up behind the most levels, with the host's last word", () => {
    const { iommu, asked } = driver(9);
    expect(createHostWindow(iommu, process, request)).toBe("Failed to create a window, ret = -1 (EINVAL)");
    expect(asked).toHaveLength(2);
  });

  it("asks for nothing where the first number is above the most; QEMU goes on as if it had a window", () => {
    const { iommu, asked } = driver(0);
    const huge = { ...request, size: 1n << 64n, guestPageSize: G1, ramPageSize: G1 };
    expect(createHostWindow(iommu, process, huge)).toBe("Failed to create a window, ret = -1 (EINVAL)");
    expect(asked).toEqual([]);
  });

  it("asks for nothing without a page size", () => {
    const { iommu, asked } = driver(0);
    expect(createHostWindow(iommu, process, { ...request, hostPageSizes: 0x100_0000n })).toBe(
      "Host doesn't support page size 0x10000, the supported mask is 0x1000000",
    );
    expect(asked).toEqual([]);
  });
});
