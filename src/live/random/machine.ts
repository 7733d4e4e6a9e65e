import type { Random } from "../../base/random.ts";
import type { PhbConfig } from "../../spapr/phb.ts";

/** QEMU's default is the most likely one. */
const PAGE_SIZES: readonly bigint[] = [
  0x121_1000n,
  0x121_1000n,
  0x121_1000n,
  0x1000n,
  0x1_1000n,
  0x1_0000n,
  0x101_0000n,
  0x1f21_1000n,
  0x4_1f21_1000n,
  0xfff_f000n,
  0x20_3000n,
  0x100_0000n,
];
const WINDOW_SIZES: readonly bigint[] = [
  0x4000_0000n,
  0x4000_0000n,
  0x8000_0000n,
  0x1_0000n,
  0x1000n,
  0x2_1800n,
  0x10_0000n,
  0x1_0000_0000n,
];
const WINDOW_ADDRESSES: readonly bigint[] = [
  0x1000n,
  0x1_0000n,
  0x8000_0000n,
  0x1800n,
  0x1234_5000n,
  0xffff_ffff_ffff_f000n,
];
const WINDOW64_ADDRESSES: readonly bigint[] = [
  1n << 56n,
  1n << 40n,
  0x1234_5678_9000n,
  0x4000_0000n,
  0xffff_ffff_f000_0000n,
  0n,
];

/** The test device reaches its staging page only through windows that begin low and are large enough. */
const DMA_PAGE_SIZES: readonly bigint[] = [0x121_1000n, 0x1_1000n, 0x101_0000n, 0x1000n];
const DMA_WINDOW_SIZES: readonly bigint[] = [0x4000_0000n, 0x4000_0000n, 0x10_0000n, 0x2_0000n];
const DMA_WINDOW_ADDRESSES: readonly bigint[] = [0x100_0000n, 0x8000_0000n];
const DMA_WINDOW64_ADDRESSES: readonly bigint[] = [1n << 56n, 1n << 40n];

/** One to three bridges; the first always has index 0, as in QEMU. */
export function randomBridges(random: Random, dma: boolean): PhbConfig[] {
  const bridges: PhbConfig[] = [];
  const count = random.weighted([
    [4, 1],
    [3, 2],
    [3, 3],
  ]);
  for (let i = 0; i < count; i++) {
    let index = 0;
    // Bridge 28 hands out its windows in another order.
    while (i > 0 && bridges.some((bridge) => bridge.index === index))
      index = random.chance(0.15) ? 28 : random.below(31);
    bridges.push({
      index,
      // The first has dynamic windows: without any there is little to compare.
      ddw: i === 0 || !random.chance(0.15),
      pgsz: random.pick(dma ? DMA_PAGE_SIZES : PAGE_SIZES),
      dmaWinSize: random.pick(dma ? DMA_WINDOW_SIZES : WINDOW_SIZES),
      ...(random.chance(0.3)
        ? { dmaWinAddr: random.pick(dma ? DMA_WINDOW_ADDRESSES : WINDOW_ADDRESSES) }
        : {}),
      ...(random.chance(0.3)
        ? { dma64WinAddr: random.pick(dma ? DMA_WINDOW64_ADDRESSES : WINDOW64_ADDRESSES) }
        : {}),
    });
  }
  return bridges;
}
