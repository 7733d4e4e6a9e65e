import { beforeAll, describe, expect, it } from "vitest";
import { checkReportToJson } from "../../../src/check/report.ts";
import { checkTrace } from "../../../src/check/whole/check-trace.ts";
import { corpusNames, readCorpus } from "../../helpers/corpus.ts";
import { some } from "../../helpers/some.ts";
import { type ReadRecording, readAll } from "./read-all.ts";

/** Recordings of which there is a text, too. */
const NAMES = corpusNames("recordings", ".report.txt.gz");
const fileOf = (name: string): Uint8Array<ArrayBuffer> =>
  readCorpus("recordings", name.includes("72-perf") ? `${name}.data` : `${name}.dat`);
const textOf = (name: string): Uint8Array<ArrayBuffer> => readCorpus("recordings", `${name}.report.txt`);

/** The address of a frame of either form: alone, or behind a name. */
const addressOf = (frame: string): bigint => BigInt(`0x${/(?:^0x|\()([0-9a-f]+)/.exec(frame)![1]!}`);
/** What perf prints of the user's side; the kernel's is what is kept of a file. */
const isUser = (frame: string): boolean => / \//.test(frame);

describe.each(some(NAMES, 3))("%s and what its tool prints", (name) => {
  let file: ReadRecording;
  let text: ReadRecording;
  beforeAll(async () => {
    file = await readAll(fileOf(name));
    text = await readAll(textOf(name));
  });

  it("have the same events, fields and devices", async () => {
    expect(file.events.length).toBeGreaterThan(40);
    expect(file.gaps).toEqual([]);
    expect(file.events).toEqual(text.events);
    // A text of several buffers has the IOMMU's events of whichever buffer recorded these.
    const others = name.includes("two-buffers") ? await readAll(fileOf(name), "second") : file;
    expect(others.statements).toEqual(text.statements);
  });

  it("have the same times, of which the text has microseconds", () => {
    expect(file.times).toHaveLength(text.times.length);
    const distances = file.times.map((time, i) => Number(time - text.times[i]!));
    expect(distances.filter((distance) => Math.abs(distance) >= 1000)).toEqual([]);
    expect(file.times.some((time) => time % 1000n !== 0n)).toBe(true);
  });

  it("have the same stacks", () => {
    expect([...file.stacks.keys()]).toEqual([...text.stacks.keys()]);
    if (name === "612-stack") expect(file.stacks.size).toBe(124);
    for (const [event, frames] of file.stacks) {
      expect(frames.map(addressOf), `event ${event}`).toEqual(
        text.stacks
          .get(event)!
          .filter((frame) => !isUser(frame))
          .map(addressOf),
      );
    }
  });

  it("have the same findings, devices and losses", async () => {
    const [ofFile, ofText] = await Promise.all(
      [fileOf(name), textOf(name)].map(async (input) => checkReportToJson(await checkTrace(input))),
    );
    expect(ofFile!.devices).toEqual(ofText!.devices);
    expect(ofFile!.lost).toEqual(ofText!.lost);
    const withoutPlaces = ({ findings }: Record<string, unknown>): unknown =>
      (findings as Record<string, unknown>[]).map(({ lines: _lines, time: _time, ...finding }) => finding);
    expect(withoutPlaces(ofFile!)).toEqual(withoutPlaces(ofText!));
  });
});

describe("names of functions", () => {
  it("are those of modules that the list of symbols has as a whole, and addresses where it has holes", async () => {
    const { stacks } = await readAll(fileOf("612-stack"));
    expect(stacks.get(0)!.slice(0, 8)).toEqual([
      "trace_event_raw_event_dma_free_class (ffffffff9878cbe2)",
      "dma_free_attrs (ffffffff9878a024)",
      "nvme_free_host_mem (ffffffffc03bfac2)",
      "nvme_remove (ffffffffc03c2af7)",
      "pci_device_remove (ffffffff98d8d290)",
      // trace-cmd calls them __driver_attach_async_helper, iommu_dma_compose_msi_msg, dma_pool_destroy.
      "0xffffffff98f2badb",
      "0xffffffff98f28db1",
      "0xffffffff98b1945f",
    ]);
  });
});
