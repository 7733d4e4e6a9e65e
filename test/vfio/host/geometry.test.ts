import { describe, expect, it } from "vitest";
import { MAX_LEVELS, tableBytes, tableGeometry } from "../../../src/vfio/host/tce-geometry.ts";

const K = 1024n;
const M = K * K;
const G = K * M;
const T = K * G;

describe("tables of a host with 64 KiB pages", () => {
  it.each([
    { size: 2n * G, shift: 12, levels: 1, bytes: 8388608n, entries: 524288 },
    { size: G, shift: 12, levels: 1, bytes: 4194304n, entries: 262144 },
    { size: 2n * G, shift: 12, levels: 2, bytes: 8519680n, entries: 524288 },
    { size: 2n * G, shift: 12, levels: 3, bytes: 8650752n, entries: 524288 },
    { size: 2n * G, shift: 12, levels: 4, bytes: 8781824n, entries: "EINVAL" },
    { size: 64n * G, shift: 16, levels: 1, bytes: 16777216n, entries: 1048576 },
    { size: 64n * G, shift: 16, levels: 2, bytes: 16908288n, entries: 1048576 },
    { size: 64n * G, shift: 16, levels: 3, bytes: 17039360n, entries: "EINVAL" },
    { size: 4n * G, shift: 16, levels: 2, bytes: 1179648n, entries: 65536 },
    { size: 256n * M, shift: 24, levels: 1, bytes: 131072n, entries: 8192 },
    { size: T, shift: 24, levels: 2, bytes: 1179648n, entries: 65536 },
    { size: 64n * G, shift: 21, levels: 2, bytes: 655360n, entries: 32768 },
    { size: 16n * T, shift: 16, levels: 1, bytes: 4096n * M, entries: "ENOMEM" },
    { size: 2n * G, shift: 12, levels: 0, bytes: 0n, entries: null },
    { size: 2n * G, shift: 12, levels: 6, bytes: 0n, entries: null },
    { size: 3n * G, shift: 12, levels: 1, bytes: 0n, entries: null },
    { size: 0n, shift: 12, levels: 1, bytes: 0n, entries: null },
    // Recorded: windows far smaller than a page have tables of size 0.
    { size: 32n * M, shift: 30, levels: 1, bytes: 0n, entries: null },
    { size: 4n * M, shift: 30, levels: 2, bytes: 0n, entries: null },
    // By the same arithmetic, half a page is a good window.
    { size: 512n * M, shift: 30, levels: 1, bytes: 131072n, entries: 8192 },
    // With two levels, a quarter and less is a table of less than a host page, but of far too many bits.
    { size: 256n * M, shift: 30, levels: 2, bytes: 24576n, entries: "EINVAL" },
    { size: 64n * M, shift: 30, levels: 2, bytes: 40960n, entries: "EINVAL" },
  ])("$size bytes of 2^$shift pages in $levels levels", ({ size, shift, levels, bytes, entries }) => {
    const shape = { pageShift: shift, size, levels };
    expect(tableBytes(shape, 16, MAX_LEVELS)).toBe(bytes);
    if (entries === null) return;
    const geometry = tableGeometry(shape, 16);
    expect(typeof geometry === "string" ? geometry : geometry.length).toBe(entries);
  });

  it("have no more levels than their bridge", () => {
    const shape = { pageShift: 12, size: 2n * G, levels: 3 };
    expect(tableBytes(shape, 16, 3)).toBe(8650752n);
    expect(tableBytes(shape, 16, 2)).toBe(0n);
  });
});
