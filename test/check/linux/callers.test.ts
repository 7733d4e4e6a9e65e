import { describe, expect, it } from "vitest";
import { checkTrace } from "../../../src/check/whole/check-trace.ts";

/** What a device does, with or without call stacks. */
class Recording {
  readonly #lines: string[] = [];
  readonly #hasStacks: boolean;
  #time = 0;

  constructor(hasStacks: boolean) {
    this.#hasStacks = hasStacks;
  }

  #event(text: string, caller: string): number {
    const origin = `nic-7 [000] ..... ${(this.#time++ / 1000).toFixed(6)}: `;
    const line = this.#lines.push(`${origin}${text}`);
    if (this.#hasStacks)
      this.#lines.push(`${origin}<stack trace>`, " => dma_map_page_attrs", ` => ${caller}`);
    return line;
  }

  map(page: number, caller: string): number {
    const at = page * 4096;
    return this.#event(
      `dma_map_page: 0000:00:03.0 dir=TO_DEVICE dma_addr=${at.toString(16)} size=1500 phys_addr=${at.toString(16)} attrs=`,
      caller,
    );
  }

  unmap(page: number): void {
    const at = (page * 4096).toString(16);
    this.#event(`dma_unmap_page: 0000:00:03.0 dir=TO_DEVICE dma_addr=${at} size=1500 attrs=`, "nic_clean");
  }

  get text(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}

/** One caller's mappings live long; of another's, which are short, one is forgotten. */
function forgotten(hasStacks: boolean) {
  const recording = new Recording(hasStacks);
  let line = 0;
  for (let i = 0; i < 400; i++) {
    recording.map(i, "nic_send_slow");
    if (i >= 100) recording.unmap(i - 100);
    const made = recording.map(1000 + i, "nic_send_fast");
    if (i === 150) line = made;
    else recording.unmap(1000 + i);
  }
  return { text: recording.text, line };
}

describe("a caller whose mappings are short", () => {
  it("forgets one, where call stacks tell it from another whose mappings live long", async () => {
    const { text, line } = forgotten(true);
    const { findings } = await checkTrace(text);
    expect(findings).toMatchObject([
      { kind: "leak", count: 1, lines: [line], stack: [{ call: "dma_map_page", frames: ["nic_send_fast"] }] },
    ]);
  });

  it("is not told from the other without them", async () => {
    const { findings } = await checkTrace(forgotten(false).text);
    expect(findings).toEqual([]);
  });
});
