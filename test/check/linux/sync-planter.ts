import type { Random } from "../../helpers/random.ts";

/**
 * Writes syncs into real recordings of drivers that need none, as the kernel
 * would print them for drivers that do, and leaves one out. It reads the text
 * on its own, with regular expressions.
 */

/** What a driver does with its buffers. */
export type Manner =
  /** Received data is synced for the CPU, then unmapped without that. */
  | "skipping unmap"
  /** What is sent is mapped without a sync, then synced for the device. */
  | "skipping map"
  /** A buffer goes to and fro between CPU and device. */
  | "turns";

export interface PlantedSync {
  readonly what: string;
  readonly text: string;
  /** Lines that prove it; none if nothing was left out. */
  readonly lines: readonly number[];
}

/** A mapping of the recording, by indexes of lines. */
interface Pair {
  readonly map: number;
  readonly unmap: number;
  readonly device: string;
}

const CALL = /dma_(map|unmap)_(?:page|phys): (\S+) dir=(\w+) dma_addr=(\w+) size=(\d+)/;
/** So many unmaps in a row empty a ring whose buffers nobody used. */
const RING = 16;
/** Times that a buffer goes to the CPU and back. */
const TURNS = 3;
/** Buffers of a device before one of it can be known to differ. */
const FEW = 32;

/** One real recording. */
export class SyncRecording {
  readonly #lines: readonly string[];
  readonly #received: Pair[] = [];
  readonly #sent: Pair[] = [];
  readonly #inRings: Pair[] = [];
  readonly name: string;

  constructor(name: string, text: string) {
    this.name = name;
    this.#lines = text.split("\n");
    const maps = new Map<string, number>();
    let row: Pair[] = [];
    const settle = (): void => {
      (row.length > RING ? this.#inRings : this.#received).push(...row);
      row = [];
    };
    this.#lines.forEach((line, i) => {
      const [, call, device, direction, address] = CALL.exec(line) ?? [];
      const key = `${device} ${address}`;
      if (call === "map") {
        settle();
        maps.set(key, i);
      }
      if (call !== "unmap" || !maps.has(key)) return;
      const pair = { map: maps.get(key)!, unmap: i, device: device! };
      maps.delete(key);
      if (direction === "FROM_DEVICE") row.push(pair);
      if (direction === "TO_DEVICE") this.#sent.push(pair);
    });
    settle();
  }

  #pairs(manner: Manner): readonly Pair[] {
    return manner === "skipping map" ? this.#sent : this.#received;
  }

  /** Indexes of the mappings that can be told from others of their device, the first of which show how it works. */
  #victims(manner: Manner): number[] {
    const seen = new Map<string, number>();
    const indexes: number[] = [];
    this.#pairs(manner).forEach(({ device }, i) => {
      const before = seen.get(device) ?? 0;
      if (before >= FEW) indexes.push(i);
      seen.set(device, before + 1);
    });
    return indexes;
  }

  /** Has it enough mappings for that? */
  suits(manner: Manner): boolean {
    return this.#victims(manner).length > 0;
  }

  /** @param complete leave nothing out */
  plant(manner: Manner, random: Random, complete = false): PlantedSync {
    const before = new Map<number, string[]>();
    const after = new Map<number, string[]>();
    const changed = new Map<number, string>();
    const pairs = this.#pairs(manner);
    const victim = complete ? -1 : random.pick(this.#victims(manner));
    const step = 1 + random.below(TURNS * 2 - 2);
    const mark = "dropped here";
    pairs.forEach(({ map, unmap }, i) => {
      const gone = i === victim;
      const [mapLine, unmapLine] = [this.#lines[map]!, this.#lines[unmap]!];
      if (manner === "skipping unmap") {
        changed.set(unmap, skipping(unmapLine));
        before.set(unmap, gone ? [] : [sync(unmapLine, "cpu")]);
      } else if (manner === "skipping map") {
        changed.set(map, skipping(mapLine));
        after.set(map, gone ? [] : [sync(mapLine, "device")]);
      } else {
        const turns = Array.from({ length: TURNS * 2 }, (_, k) =>
          sync(unmapLine, k % 2 === 0 ? "cpu" : "device"),
        );
        before.set(unmap, gone ? turns.with(step, mark) : turns);
      }
    });
    if (manner === "skipping unmap") {
      for (const { unmap } of this.#inRings) changed.set(unmap, skipping(this.#lines[unmap]!));
    }
    const numbers = new Map<number, number>();
    const out: string[] = [];
    let dropped = 0;
    this.#lines.forEach((line, i) => {
      for (const one of before.get(i) ?? []) {
        if (one === mark) dropped = out.length;
        else out.push(one);
      }
      out.push(changed.get(i) ?? line);
      numbers.set(i, out.length);
      out.push(...(after.get(i) ?? []));
    });
    const text = out.join("\n");
    if (complete) return { what: `${this.name}: ${manner}, complete`, text, lines: [] };
    const { map, unmap } = pairs[victim]!;
    const made = numbers.get(map)!;
    const lines = manner === "turns" ? [made, dropped, dropped + 1] : [made, numbers.get(unmap)!];
    return { what: `${this.name}: ${manner}, without that of line ${made}`, text, lines };
  }
}

/** The line of a call with another one's name. */
const sync = (line: string, side: "cpu" | "device"): string =>
  line
    .replace(/dma_(?:map|unmap)_(?:page|phys):/, `dma_sync_single_for_${side}:`)
    .replace(/ phys_addr=\w+/, "")
    .replace(/ attrs=.*$/, "");

const skipping = (line: string): string => line.replace(/attrs=.*$/, "attrs=SKIP_CPU_SYNC");
