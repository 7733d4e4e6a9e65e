import { expect, it } from "vitest";
import { DmaLogReader } from "../../../src/formats/trace/linux-dma-log.ts";

const FRAMES = 500;

it("call stacks are kept up to a limit, and what is left out is counted", () => {
  const reader = new DmaLogReader(() => {});
  const below = Array.from({ length: FRAMES - 1 }, (_, i) => ` => g${i}\n`).join("");
  for (let stack = 0; stack < 2100; stack++) {
    const time = `modprobe-12 [000] ..... 1.${String(stack).padStart(6, "0")}`;
    const event = `${time}: dma_map_page: 0000:00:03.0 dir=TO_DEVICE dma_addr=1000 size=512 phys_addr=5000 attrs=\n`;
    reader.push(new TextEncoder().encode(`${event}${time}: <stack trace>\n => f${stack}\n${below}`));
  }
  reader.end();
  const { stacks } = reader;
  const depths = [0, 2096, 2099].map((event) => {
    const stack = stacks.of(event);
    return stack < 0 ? 0 : stacks.frames(stack).length;
  });
  expect(depths).toEqual([FRAMES, FRAMES, 0]);
  expect(stacks.dropped).toBe(2100 * FRAMES - 2 ** 20);
});
