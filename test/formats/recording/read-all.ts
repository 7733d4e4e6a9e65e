import type { InputData } from "../../../src/formats/input/input-data.ts";
import { openInput } from "../../../src/formats/input/opened-input.ts";
import { readTrace } from "../../../src/formats/recording/read-trace.ts";
import { DIRECTION_NAMES, type DmaNames, type HalvesList } from "../../../src/formats/trace/dma-event.ts";
import { DMA_EVENT_NAMES, DMA_LOST } from "../../../src/formats/trace/dma-kinds.ts";
import type { Gap } from "../../../src/formats/trace/trace-reader.ts";
import { TraceSource } from "../../../src/formats/trace/trace-source.ts";
import { stringifyBig } from "./stringify-big.ts";

/** What a recording said. */
export interface ReadRecording {
  /** Each event as text, without its time. */
  readonly events: string[];
  /** Nanoseconds of each; ticks where the clock counts these. */
  readonly times: bigint[];
  /** What other events say of DMA. */
  readonly statements: string[];
  /** Events with a stack: the addresses of its frames, and the stack as text. */
  readonly stacks: Map<number, string[]>;
  readonly gaps: Gap[];
  readonly counts: Readonly<Record<string, number>>;
  readonly source: TraceSource;
}

const listOf = ({ words, length }: HalvesList): string =>
  Array.from({ length }, (_, i) => (words[i * 2]! * 2 ** 32 + words[i * 2 + 1]!).toString(16)).join();

/** Reads all of an input, as every verb does. */
export async function readAll(input: InputData, buffer?: string): Promise<ReadRecording> {
  const events: string[] = [];
  const times: bigint[] = [];
  const statements: string[] = [];
  const gaps: Gap[] = [];
  let names: DmaNames | undefined;
  const source = new TraceSource("recording", {
    qemu: () => {},
    linux: (event, known) => {
      names = known;
      const { kind, cpu, size } = event;
      if (kind === DMA_LOST) {
        events.push(`LOST ${cpu} ${size}`);
        times.push(-1n);
        return;
      }
      const { dmaHi, dmaLo, physHi, physLo, attributes, error, totalEntries, totalRanges, truncated } = event;
      events.push(
        [
          DMA_EVENT_NAMES[kind],
          known.devices.names[event.device],
          DIRECTION_NAMES[event.direction],
          (dmaHi * 2 ** 32 + dmaLo).toString(16),
          size,
          (physHi * 2 ** 32 + physLo).toString(16),
          attributes,
          error,
          event.failed,
          totalEntries,
          totalRanges,
          truncated,
          `[${listOf(event.ranges)}] [${listOf(event.rangeSizes)}] [${listOf(event.entries)}]`,
          `${known.tasks.names[event.task]}-${event.pid} CPU ${cpu}`,
        ].join(" "),
      );
      const { seconds, nanoseconds, ticks } = event;
      times.push(
        Number.isNaN(seconds) ? BigInt(ticks) : BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds),
      );
    },
    kernel: ({ what }) => statements.push(stringifyBig(what)),
    gap: (gap) => gaps.push(gap),
  });
  const opened = await openInput(input, "recording", 256);
  await readTrace(opened, source, {
    name: "recording",
    buffer,
    truncated: (message) => gaps.push({ kind: "torn", line: 0, message }),
  });
  source.end();
  const stacks = new Map<number, string[]>();
  for (let event = 0; event < source.events; event++) {
    const stack = names!.stacks.of(event);
    if (stack >= 0) stacks.set(event, names!.stacks.frames(stack));
  }
  return { events, times, statements, stacks, gaps, counts: source.counts, source };
}
