import { describe, expect, it } from "vitest";
import { DMA_EVENT_NAMES } from "../../../src/formats/trace/dma-kinds.ts";
import { DmaLogReader } from "../../../src/formats/trace/linux-dma-log.ts";
import { QemuLogReader } from "../../../src/formats/trace/qemu-log.ts";
import { formatQemuTraceEvent } from "../../../src/formats/trace/trace-text.ts";
import { readCorpusHead } from "../../helpers/corpus.ts";

const SYSLOG = "Nov 27 22:49:58 host1 trace[812]: ";

/** So many lines of events of a recording. */
function linesOf(name: string, event: RegExp): string[] {
  const text = new TextDecoder().decode(readCorpusHead("traces", name, 100_000));
  return text
    .split("\n")
    .filter((line) => event.test(line))
    .slice(0, 40);
}

/** Breaks lines as a terminal of so many columns does. */
const wrap = (lines: readonly string[], columns: number): string =>
  lines.map((line) => `${line.match(new RegExp(`.{1,${columns}}`, "g"))!.join("\n")}\n`).join("");

/** Events of a text by what they do, and how many are said to be unread. */
type Read = (text: string) => { readonly events: readonly string[]; readonly unread: number };

function finish(reader: QemuLogReader | DmaLogReader, text: string): number {
  reader.push(new TextEncoder().encode(text));
  reader.end();
  return reader.counts.damaged;
}

const readQemu: Read = (text) => {
  const events: string[] = [];
  const reader = new QemuLogReader((event) =>
    events.push(formatQemuTraceEvent(event).replace(/^.*@.*:/, "")),
  );
  return { events, unread: finish(reader, text) };
};

/** Without who did it and when, which stands before the break, and without attributes, of which nothing says where they end. */
const readDma: Read = (text) => {
  const events: string[] = [];
  const reader = new DmaLogReader(({ kind, dmaHi, dmaLo, size, ranges, entries }) => {
    const lists = [ranges, entries].map(({ words, length }) => words.subarray(0, length * 2));
    events.push(`${DMA_EVENT_NAMES[kind]} ${dmaHi}:${dmaLo} ${size} ${lists}`);
  });
  return { events, unread: finish(reader, text) };
};

const QEMU_LINES = linesOf("nvme-e1000-1g-linux61.log", /spapr_iommu_pci_(?:put|stuff)/);
const LINUX_LINES = linesOf("dma-ppc64le-linux612-nvme-e1000.txt", / dma_/);

describe.each([
  ["QEMU's", readQemu, QEMU_LINES],
  ["QEMU's, of a logger", readQemu, QEMU_LINES.map((line) => SYSLOG + line)],
  ["Linux'", readDma, LINUX_LINES],
  ["Linux', of a logger", readDma, LINUX_LINES.map((line) => SYSLOG + line)],
  ["perf's", readDma, linesOf("dma-ppc64le-linux612-perf-script.txt", / dma:dma_/)],
])("lines of events that a terminal broke: %s", (_name, read, lines) => {
  const { events } = read(lines.map((line) => `${line}\n`).join(""));
  // From the name's first letters on.
  const first = Math.max(...lines.map((line) => line.search(/dma_|dma:|spapr/))) + 13;

  it.each(Array.from({ length: 60 }, (_, i) => first + i))(
    "at %i columns are read, or it is said",
    (columns) => {
      expect(events).toHaveLength(40);
      const wrapped = read(wrap(lines, columns));
      expect(wrapped.events.filter((event) => !events.includes(event))).toEqual([]);
      expect(wrapped.events.length + wrapped.unread).toBe(40);
    },
  );
});
