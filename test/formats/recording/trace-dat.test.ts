import { describe, expect, it } from "vitest";
import { readCorpus } from "../../helpers/corpus.ts";
import { lentPieces } from "../../helpers/input-forms.ts";
import { BigEndian } from "./big-endian.ts";
import { readAll } from "./read-all.ts";

const V7 = "612-v7-none.dat";

/** Offset of an option of version 7: its number, size and data. */
function optionAt(bytes: Uint8Array, id: number): number {
  const view = new DataView(bytes.buffer);
  // "none", its empty version, and the offset of the first options section behind them.
  let at = Number(view.getBigUint64(18 + 5 + 1, true)) + 16;
  while (view.getUint16(at, true) !== id) at += 6 + view.getUint32(at + 2, true);
  return at;
}

/** The same recording with bytes changed. */
function changed(name: string, change: (view: DataView, bytes: Uint8Array) => void): Uint8Array<ArrayBuffer> {
  const bytes = readCorpus("recordings", name).slice();
  change(new DataView(bytes.buffer), bytes);
  return bytes;
}

const CPU_STATISTICS = 2;
const END = 0;

describe("a trace.dat", () => {
  it.each(["612-v6.dat", "612-v7-zstd.dat"])("is the same from a pipe: %s", async (name) => {
    const bytes = readCorpus("recordings", name);
    const { events, times } = await readAll(lentPieces(bytes));
    const whole = await readAll(bytes);
    expect({ events, times }).toEqual({ events: whole.events, times: whole.times });
    expect(events).toHaveLength(51);
  });

  it("of a machine with the other byte order says the same", async () => {
    const little = readCorpus("recordings", "612-v6.dat");
    const big = new BigEndian(little).convert();
    expect(big).not.toEqual(little);
    const [one, other] = [await readAll(little), await readAll(big)];
    expect(other.events).toEqual(one.events);
    expect(other.times).toEqual(one.times);
    expect(other.gaps).toEqual([]);
    expect(one.events.some((event) => event.startsWith("dma_map_sg "))).toBe(true);
  });

  it("has nanoseconds where it says what a cycle is", async () => {
    const plain = await readAll(readCorpus("recordings", V7));
    const scaled = await readAll(
      changed(V7, (view) => {
        const at = optionAt(new Uint8Array(view.buffer), CPU_STATISTICS);
        view.setUint16(at, 14, true);
        view.setUint32(at + 6, 2048, true);
        view.setUint32(at + 10, 10, true);
        view.setBigUint64(at + 14, 5_000_000_000n, true);
      }),
    );
    // trace-cmd report 3.1.6 prints 177.193929 for the first one, whatever the offset.
    expect(scaled.times).toEqual(plain.times.map((time) => time * 2n));
    expect(scaled.times[0]).toBe(177_193_929_454n);
  });

  it("is read where the size of a CPU's data leaves out the number of its chunks, as trace-cmd convert 3.1.6 writes it", async () => {
    const NAME = "612-v7-zstd.dat";
    const converted = changed(NAME, (view) => {
      // CPU, offset and size of the option's two CPUs: 693 and 626 bytes with that number.
      for (const [at, size] of [
        [25_247, 693],
        [25_267, 626],
      ] as const) {
        expect(view.getBigUint64(at + 12, true)).toBe(BigInt(size));
        view.setBigUint64(at + 12, BigInt(size - 4), true);
      }
    });
    const { events, gaps } = await readAll(converted);
    expect({ events, gaps }).toEqual({
      events: (await readAll(readCorpus("recordings", NAME))).events,
      gaps: [],
    });
  });

  it.each([
    { stored: 214n, says: "LOST 0 214" },
    // trace-cmd split 3.1.6 writes this for a number that the kernel had no room for.
    { stored: -1n, says: "LOST 0 0" },
  ])("knows how many events were lost before a page: $stored", async ({ stored, says }) => {
    const { events } = await readAll(
      changed("612-v6.dat", (view) => {
        const page = view.byteLength - 8192;
        const commit = view.getUint32(page + 8, true);
        view.setUint32(page + 8, (commit | 0xc000_0000) >>> 0, true);
        view.setBigInt64(page + 16 + commit, stored, true);
      }),
    );
    expect(events.filter((event) => event.startsWith("LOST"))).toEqual([says]);
  });

  it("of other events is refused, and says what was recorded", async () => {
    const ofOthers = changed("612-v6.dat", (_, bytes) => {
      // The name of the system before its formats: its events are those of something else.
      bytes[Buffer.from(bytes).indexOf("dma\0")] = "x".charCodeAt(0);
    });
    await expect(readAll(ofOthers)).rejects.toMatchObject({
      code: "UNSUPPORTED",
      message: expect.stringMatching(
        /known here: 14 records of xma:dma_unmap_page, .*, 3 of other events, 0 of dma events; it is a recording of Linux with other events; record/,
      ),
    });
  });

  it("into whose top buffer nothing came has no events, and other buffers", async () => {
    const { events, source } = await readAll(
      changed("612-two-buffers.dat", (view, bytes) => {
        // The top buffer's option: it has no CPU.
        const clock = Buffer.from("\0local\0");
        view.setUint32(Buffer.from(bytes).indexOf(clock) + clock.length + 4, 0, true);
      }),
    );
    expect({ events, others: source.otherBuffers }).toEqual({ events: [], others: ["second"] });
  });

  it("whose options lead in a circle is refused", async () => {
    const circle = changed(V7, (view, bytes) => {
      const first = view.getBigUint64(18 + 5 + 1, true);
      view.setBigUint64(optionAt(bytes, END) + 6, first, true);
    });
    await expect(readAll(circle)).rejects.toMatchObject({
      code: "BAD_FILE",
      message: expect.stringMatching(/byte \d+ \(0x[0-9a-f]+\): sections of options that lead in a circle/),
    });
  });

  it("with a section of 4 GiB is refused before memory is taken", async () => {
    const huge = changed("612-v7-zstd.dat", (view) => {
      // The first section: 16 bytes of head, then what it unpacks to.
      view.setUint32(37 + 16 + 4, 0xffff_ffff, true);
    });
    await expect(readAll(huge)).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
      message: expect.stringMatching(/^recording: trace\.dat, byte \d+ .*a section of 4294967295 bytes/),
    });
  });

  it("with a format of 2^63 bytes is refused", async () => {
    const huge = changed("612-v6.dat", (view) => view.setBigUint64(18 + 12, 1n << 63n, true));
    await expect(readAll(huge)).rejects.toThrow(/byte 30 \(0x1e\): 0x8000000000000000 is no place/);
  });

  it("of another version is refused", async () => {
    const other = changed("612-v6.dat", (view) => view.setUint8(10, 0x38));
    await expect(readAll(other)).rejects.toMatchObject({
      code: "UNSUPPORTED",
      message: 'recording: trace.dat, byte 10 (0xa): version "8": 6 and 7 are read here',
    });
  });

  it("that is cut gives what is there, and says where it ends", async () => {
    const bytes = readCorpus("recordings", "612-v6.dat");
    const whole = await readAll(bytes);
    const cut = await readAll(bytes.subarray(0, bytes.length - 4096));
    expect(cut.events.length).toBeGreaterThan(0);
    expect(cut.events.length).toBeLessThan(whole.events.length);
    expect(whole.events).toEqual(expect.arrayContaining(cut.events));
    expect(cut.gaps).toEqual([
      {
        kind: "torn",
        line: expect.any(Number),
        message: `trace.dat, byte ${bytes.length - 4096} (0x${(bytes.length - 4096).toString(16)}): the file ends here, 4096 bytes too early`,
      },
    ]);
  });
});
