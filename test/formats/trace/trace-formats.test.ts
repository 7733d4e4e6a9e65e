import { describe, expect, it } from "vitest";
import { detectTraceFormat } from "../../../src/formats/trace/trace-source.ts";
import { corpusNames, readCorpusHead } from "../../helpers/corpus.ts";
import { some } from "../../helpers/some.ts";
import { SimpleFile } from "./simple-file.ts";

/** Bytes; the first event may stand after a lot of other lines. */
const HEAD = 2 ** 18;
const FORMATS = { ".log.gz": "qemu-log", ".simple.gz": "qemu-simple", ".txt.gz": "linux-dma" } as const;

describe("detectTraceFormat", () => {
  for (const [ending, format] of Object.entries(FORMATS)) {
    it.each(some(corpusNames("traces", ending), 3))(
      `knows %s${ending.replace(".gz", "")} as ${format}`,
      (name) => {
        const head = readCorpusHead("traces", name + ending.replace(".gz", ""), HEAD);
        expect(detectTraceFormat(head)).toBe(format);
        // Behind another file in one buffer, as a view.
        const shifted = new Uint8Array(head.length + 3);
        shifted.set(head, 3);
        expect(detectTraceFormat(shifted.subarray(3))).toBe(format);
      },
    );
  }

  it.each([
    { name: "nothing", text: "", format: undefined },
    { name: "JSON", text: '{"format":"x"}\n', format: undefined },
    { name: "prose", text: "this is no trace\nspapr_iommu\n", format: undefined },
    { name: "a line without end", text: "spapr_iommu_ddw_remove liobn=0x1", format: undefined },
    { name: "a trace file without events", text: "# tracer: nop\n#\n", format: undefined },
    {
      name: "other events of QEMU",
      text: "Some text\n1@2.000000:spapr_drc_reset drc: 0x1\n",
      format: undefined,
    },
    { name: "lost events", text: "CPU:1 [LOST 619 EVENTS]\n", format: undefined },
    { name: "gzip", text: "\u001f\u008b\b\n", format: undefined },
  ])("takes $name for $format", ({ text, format }) => {
    expect(detectTraceFormat(new TextEncoder().encode(text))).toBe(format);
  });

  it.each([true, false])("knows a simple trace of either byte order, little-endian: %s", (little) => {
    const bytes = Uint8Array.from(new SimpleFile(4, little).bytes);
    expect(detectTraceFormat(bytes.subarray(0, 16))).toBe("qemu-simple");
    expect(detectTraceFormat(bytes.subarray(0, 15))).toBeUndefined();
  });
});
