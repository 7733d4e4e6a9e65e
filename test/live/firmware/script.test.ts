import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { hex, hiOf, loOf } from "../../../src/base/u64.ts";
import { sameJson } from "../../../src/formats/known-differences.ts";
import { type OpScript, parseOpScript } from "../../../src/formats/op-script/script.ts";
import { DmaTrace } from "../../../src/live/firmware/dma-trace.ts";
import { RecordKind, SCRIPT_ADDRESS } from "../../../src/live/firmware/layout.ts";
import { FirmwareScript } from "../../../src/live/firmware/script.ts";
import { bridgesOf } from "../../../src/live/real-qemu.ts";
import { OpRunner } from "../../../src/script/op/run.ts";
import { Machine } from "../../../src/spapr/machine.ts";
import { Hcall } from "../../../src/spapr/papr.ts";
import { corpusNames, smallCorpusNames } from "../../helpers/corpus.ts";
import { some } from "../../helpers/some.ts";

/** The firmware, word by word, on the engine: what `firmware.c` does without its DMA and device tree. */
function interpret(machine: Machine, records: Uint8Array): { results: Uint8Array; done: bigint } {
  const view = new DataView(records.buffer, records.byteOffset);
  const out: bigint[] = [];
  const call = (opcode: bigint, args: bigint[]): bigint[] => {
    const { status, registers } = machine.call(opcode, ...args);
    return [BigInt(status), ...Array.from({ length: 9 }, (_, i) => registers.get(4 + i))];
  };
  let done = 0n;
  for (let at = 0; ; done++) {
    const length = Number(view.getBigUint64(at + 8));
    const word = (i: number): bigint => view.getBigUint64(at + 16 + i * 8);
    const words = (from: number): bigint[] =>
      Array.from({ length: length - 2 - from }, (_, i) => word(from + i));
    switch (Number(view.getBigUint64(at))) {
      case RecordKind.END:
        return { results: toBytes(out), done };
      case RecordKind.HCALL:
        out.push(...call(word(1), words(2)).slice(0, Number(word(0)) + 1));
        break;
      case RecordKind.WRITE:
        machine.systemMemory.write(word(0), records.subarray(at + 32, at + 32 + Number(word(1))), null);
        break;
      case RecordKind.READ: {
        const padded = new Uint8Array((Number(word(1)) + 7) & ~7);
        machine.systemMemory.read(word(0), padded.subarray(0, Number(word(1))), null);
        const read = new DataView(padded.buffer);
        for (let i = 0; i < padded.length; i += 8) out.push(read.getBigUint64(i));
        break;
      }
      case RecordKind.FILL:
        machine.systemMemory.write(word(0), toBytes(new Array(Number(word(1)) >>> 3).fill(word(2))), null);
        break;
      case RecordKind.SCAN:
        out.push(
          ...scan(word(0), (i) =>
            call(BigInt(Hcall.GET_TCE), [word(2), BigInt.asUintN(64, word(3) + i * word(1))]),
          ),
        );
        break;
      case RecordKind.REBOOT:
        machine.reset();
        break;
      default:
        throw new Error(`record of kind ${view.getBigUint64(at)}`);
    }
    at += length * 8;
  }
}

function scan(count: bigint, get: (i: bigint) => bigint[]): bigint[] {
  const runs: bigint[][] = [];
  for (let i = 0n; i < count; i++) {
    const [ret, r4] = get(i) as [bigint, bigint];
    const value = ret === 0n ? r4 : 0n;
    const last = runs.at(-1);
    if (last === undefined || last[1] !== ret || last[2] !== value) runs.push([i, ret, value]);
  }
  return [BigInt(runs.length), ...runs.flat()];
}

function toBytes(words: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 8);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => {
    view.setUint32(i * 8, hiOf(word));
    view.setUint32(i * 8 + 4, loOf(word));
  });
  return bytes;
}

function compile(script: OpScript): FirmwareScript {
  const compiled = new FirmwareScript(bridgesOf(script));
  for (const line of script.lines) compiled.add(line);
  return compiled;
}

const recorded = (name: string): OpScript =>
  parseOpScript(
    gunzipSync(readFileSync(new URL(`../../corpus/hcall/${name}.jsonl.gz`, import.meta.url))).toString(),
    `${name}.jsonl`,
  );
const NAMES = smallCorpusNames("hcall", ".jsonl.gz", 4_000).filter(
  (name) => !name.startsWith("dma") && !name.includes("-dma"),
);

describe("a script of the firmware", () => {
  it.each(some(NAMES, 5))("does what the script says: %s", (name) => {
    const whole = recorded(name);
    // Reading a whole huge table takes long in this interpreter; real QEMU does it in its own tests.
    const left = whole.lines.filter(
      ({ operation }) =>
        !["fdt_prop", "dma_read", "dma_write"].includes(operation.op) &&
        !(operation.op === "get_tce_scan" && operation.count > 0x8000),
    );
    const script = { ...whole, lines: left };
    const compiled = compile(script);
    const { results, done } = interpret(new Machine(script.config), compiled.bytes());
    expect(done).toBe(BigInt(compiled.records));
    const decoded = compiled.decode(results, done, new DmaTrace());
    const runner = new OpRunner(script.config);
    for (const [i, { line, operation }] of left.entries()) {
      const expected = runner.run(operation);
      if (!sameJson(decoded[i], expected)) expect({ line: line.text, ...decoded[i] }).toEqual(expected);
    }
    expect(decoded).toHaveLength(left.length);
  });

  it("gives results only of operations that are complete", () => {
    const script = recorded("rtas-call");
    const compiled = compile(script);
    const { results, done } = interpret(new Machine(script.config), compiled.bytes());
    let before = 0;
    for (let records = 0n; records <= done; records++) {
      const { length } = compiled.decode(results, records, new DmaTrace());
      expect(length).toBeGreaterThanOrEqual(before);
      expect(length).toBeLessThanOrEqual(Number(records));
      before = length;
    }
    expect(before).toBe(script.lines.length);
  });

  it.each([
    { text: '{"op":"write_mem","addr":"0x100000","data":"00"}', column: 26 },
    { text: '{"op":"fill_mem","addr":"0x3fffff8","len":16,"value":"0x0"}', column: 25 },
    { text: '{"op":"read_mem","addr":"0x4000000","len":1}', column: 25 },
    {
      text: '{"op":"h_put_tce_indirect","liobn":"0x0","ioba":"0x0","listAddr":"0x9000","list":["0x1"]}',
      column: 66,
    },
  ])("may not touch the firmware's memory: $text", ({ text, column }) => {
    const script = parseOpScript(`{"header":1}\n${text}`, "s.jsonl");
    expect(() => compile(script)).toThrow(
      new RegExp(`^s.jsonl:2:${column}: .* a script may use memory from 0x200000 to 0x3ffffff`),
    );
  });

  it("refuses vfio-user devices, and names the place", () => {
    const script = parseOpScript('{"header":1,"vfioUser":{}}\n{"op":"device_del","id":"d0"}', "s.jsonl");
    expect(() => compile(script)).toThrow(
      /^s.jsonl:2:7: "device_del": real QEMU runs here without vfio-user/,
    );
  });

  it("has a limit, and names the operation that is too much", () => {
    const { lines, ...rest } = parseOpScript(
      `{"header":1}\n{"op":"write_mem","addr":"0x200000","data":"${"00".repeat(2 ** 20)}"}`,
      "s.jsonl",
    );
    const count = Math.ceil((0x800_0000 - SCRIPT_ADDRESS) / 2 ** 20);
    expect(() => compile({ ...rest, lines: new Array(count).fill(lines[0]) })).toThrow(
      /s.jsonl:2:\d+: more operations than fit/,
    );
  });
});

describe("the trace of DMAs", () => {
  it.each(corpusNames("hcall", ".jsonl.gz").filter((name) => name.includes("dma")))(
    "tells faults as recorded: %s",
    (name) => {
      const script = recorded(name);
      const compiled = compile(script);
      const trace = new DmaTrace();
      const words: bigint[] = [];
      let number = 0;
      const transfers = script.lines.filter(({ operation }) => operation.op.startsWith("dma_"));
      const ready = new Set<number>();
      for (const { line, operation } of transfers) {
        if (operation.op !== "dma_read" && operation.op !== "dma_write") continue;
        // biome-ignore lint/suspicious/noExplicitAny: the shape is the recordings'
        const result = line.value.result as any;
        const mark = `ioba=${hex(number++)} ret=-4 tce=0x0\n`;
        const lines = (result.xlate ?? []).map(
          (x: Record<string, string>) =>
            `spapr_iommu_xlate liobn=${x.liobn} ${x.offset} -> ${x.addr} perm=${x.perm} mask=${x.mask}\n`,
        );
        // QEMU translates a page several times in a row.
        const twice = lines.flatMap((text: string) => [text, text]).join("");
        trace.push(
          Buffer.from(
            `spapr_iommu_pci_get liobn=0xfffffffe ${mark}${twice}spapr_iommu_pci_get liobn=0xfffffffd ${mark}`,
          ),
        );
        if (!ready.has(operation.phb)) words.push(0n, 0n);
        ready.add(operation.phb);
        words.push(result.skipped === true || result.data === null ? 0n : 1n, 0n);
        if (operation.op !== "dma_read") continue;
        const data = Buffer.alloc((operation.len + 7) & ~7);
        data.write(result.data ?? "", "hex");
        for (let i = 0; i < data.length; i += 8) words.push(data.readBigUInt64BE(i));
      }
      const only = compile({ ...script, lines: transfers });
      const decoded = only.decode(toBytes(words), BigInt(only.records), trace);
      expect(decoded).toEqual(transfers.map(({ line }) => line.value.result));
      expect(compiled.records).toBeGreaterThan(only.records);
    },
  );
});
