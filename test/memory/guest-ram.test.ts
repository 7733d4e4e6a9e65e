import { describe, expect, it } from "vitest";
import { IommuError } from "../../src/base/errors.ts";
import { GuestRam, MAX_RAM_BYTES, ramOffset } from "../../src/memory/guest-ram.ts";
import { Random, runSeed } from "../helpers/random.ts";
import { same } from "../helpers/same.ts";
import { times } from "../helpers/some.ts";

const CHUNK = 0x1_0000;
/** Places where two chunks meet, in the middle and at the end of three chunks of memory. */
const MODEL_BYTES = 3 * CHUNK + 8;

describe("guest memory", () => {
  it.each([
    { name: "at the start", base: 0 },
    { name: "in the middle of 4 PiB", base: 2 ** 51 - CHUNK },
    { name: "at the end of 4 PiB", base: 2 ** 52 - MODEL_BYTES },
  ])("is the array of bytes that the same writes make, $name", ({ base }) => {
    const seed = runSeed();
    const random = new Random(seed);
    const ram = new GuestRam(MAX_RAM_BYTES);
    const model = new Uint8Array(MODEL_BYTES);
    const view = new DataView(model.buffer);
    const edge = (): number => random.pick([0, CHUNK, 2 * CHUNK, 3 * CHUNK]) - 16 + random.below(32);
    const clamp = (at: number, bytes: number): number => Math.max(0, Math.min(at, MODEL_BYTES - bytes));
    try {
      for (let step = 0; step < times(1000, 3000); step++) {
        const bytes = random.below(random.below(20) === 0 ? CHUNK + 50 : 40);
        const at = clamp(edge(), bytes);
        const cell = clamp(edge(), 4) & ~3;
        switch (random.below(5)) {
          case 0: {
            const key = random.below(256);
            const data = Uint8Array.from({ length: bytes }, (_, i) => key ^ i ^ (i >> 8));
            ram.write(base + at, data);
            model.set(data, at);
            break;
          }
          case 1: {
            const into = new Uint8Array(bytes).fill(0xaa);
            ram.read(base + at, into);
            same(Buffer.compare(into, model.subarray(at, at + bytes)), 0);
            break;
          }
          case 2: {
            const value = random.below(2 ** 32);
            ram.writeCell(base + cell, value);
            view.setUint32(cell, value);
            break;
          }
          case 3:
            same(ram.readCell(base + cell), view.getUint32(cell));
            break;
          default: {
            const count = Math.min(random.below(40), (MODEL_BYTES - cell) / 4);
            const cells = new Uint32Array(count + 1).fill(7);
            ram.readCells(base + cell, cells, count);
            expect([...cells]).toEqual([
              ...Array.from({ length: count }, (_, i) => view.getUint32(cell + i * 4)),
              7,
            ]);
          }
        }
      }
    } catch (error) {
      throw new Error(`SEED=${seed}`, { cause: error });
    }
    expect(ram.residentBytes).toBeLessThanOrEqual(5 * CHUNK);
  });

  it("takes no room until it is written, however large it is on paper", () => {
    const ram = new GuestRam(128n << 40n);
    const offset = ramOffset(0x7fff, 0xffff_fff0);
    const data = new Uint8Array(16).fill(1);
    ram.read(offset, data);
    expect(data).toEqual(new Uint8Array(16));
    expect(ram.residentBytes).toBe(0);
    ram.write(offset, data.fill(9));
    ram.read(offset, data);
    expect(data).toEqual(new Uint8Array(16).fill(9));
    expect(ram.residentBytes).toBe(CHUNK);
  });

  it("stops where its limit is, and keeps what it has", () => {
    const ram = new GuestRam(1n << 40n, 2 * CHUNK);
    ram.write(0, Uint8Array.of(1));
    ram.write(5 * CHUNK, Uint8Array.of(2));
    expect(() => ram.write(9 * CHUNK, Uint8Array.of(3))).toThrow(
      expect.objectContaining({
        code: "LIMIT_EXCEEDED",
        message: "more than 131072 bytes of guest memory in use",
      }),
    );
    ram.write(CHUNK - 1, Uint8Array.of(4));
    expect([0, CHUNK - 4, 5 * CHUNK, 9 * CHUNK].map((at) => ram.readCell(at))).toEqual([
      1 << 24,
      4,
      2 << 24,
      0,
    ]);
  });

  it.each([0n, -1n, MAX_RAM_BYTES + 1n])("refuses to have %s bytes, and names them", (size) => {
    expect(() => new GuestRam(size)).toThrow(IommuError);
    expect(() => new GuestRam(size)).toThrow(`memory of ${size} bytes`);
  });
});
