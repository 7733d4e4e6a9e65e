import { describe, expect, it } from "vitest";
import { DmaLogReader } from "../../../src/formats/trace/linux-dma-log.ts";
import { readCorpus, readSidecar } from "../../helpers/corpus.ts";

const RECORDING = "dma-x86-linux612-vtd-trace-cmd-report-stacks";

function read(bytes: Uint8Array, pieces = 50_000) {
  const reader = new DmaLogReader(() => {});
  for (let at = 0; at < bytes.length; at += pieces) reader.push(bytes.subarray(at, at + pieces));
  reader.end();
  return reader;
}

const readText = (text: string, pieces?: number) => read(new TextEncoder().encode(text), pieces);

/** The functions of each event's stack; undefined without one. */
const functionsOf = ({ counts, stacks }: DmaLogReader) =>
  Array.from({ length: counts.events }, (_, event) =>
    stacks.of(event) < 0 ? undefined : stacks.functions(stacks.of(event)).join(" "),
  );

const MAP = "dma_map_page: 0000:00:03.0 dir=TO_DEVICE dma_addr=1000 size=512 phys_addr=5000 attrs=";
const UNMAP = "dma_unmap_page: 0000:00:03.0 dir=TO_DEVICE dma_addr=1000 size=512 attrs=";
/** What stands before an event of the kernel's trace. */
const on = (cpu: number, time: string): string => `  modprobe-12      [00${cpu}] .....    ${time}: `;

describe("call stacks of a real recording", () => {
  const { facts } = readSidecar("traces", RECORDING);
  const reader = read(readCorpus("traces", `${RECORDING}.txt`));
  const { stacks } = reader;
  const numbers = Array.from({ length: reader.counts.events }, (_, event) => stacks.of(event));

  it("are those of their events, as another reader found them", () => {
    expect(stacks.events).toBe(facts.stacks);
    expect(stacks.frames(numbers[0]!)).toEqual(facts.stack_of_first);
    expect(stacks.frames(numbers.at(-1)!)).toEqual(facts.stack_of_last);
  });

  it("are kept once each", () => {
    expect(new Set(numbers).size).toBe(facts.different_stacks);
    expect(Math.max(...numbers.map((stack) => stacks.frames(stack).length))).toBe(facts.deepest_stack);
  });

  it("are all of the kind of their event: each goes through the function that the event is in", () => {
    const names = {
      dma_alloc: "dma_alloc_attrs",
      dma_free: "dma_free_attrs",
      dma_unmap_sg: "dma_unmap_sg_attrs",
    };
    const text = new TextDecoder().decode(readCorpus("traces", `${RECORDING}.txt`));
    const events = text.match(/ dma_(?:alloc|free|map|unmap)\w*: /g)!.map((name) => name.trim().slice(0, -1));
    expect(events.length).toBe(numbers.length);
    events.forEach((event, i) => {
      const name = names[event as keyof typeof names];
      if (name !== undefined) expect(stacks.functions(numbers[i]!)).toContain(name);
    });
  });

  it("begin at who called the DMA API", () => {
    expect(stacks.callers(numbers[0]!)[0]).toBe("nvme_free_host_mem (ffffffffc03bfac2)");
    for (const stack of numbers) expect(stacks.callers(stack)[0]).toMatch(/^nvme_/);
  });

  it("have the same callers if what lies further out differs", () => {
    const interrupted = numbers.filter((stack) => stacks.functions(stack).includes("nvme_irq"));
    expect(new Set(interrupted).size).toBeGreaterThan(3);
    const callers = numbers.flatMap((stack, event) =>
      interrupted.includes(stack) ? stacks.callerOf(event) : [],
    );
    expect(new Set(callers).size).toBeLessThan(new Set(interrupted).size);
  });
});

describe("call stacks", () => {
  it.each([
    { name: "of the kernel's trace", frames: [" => dma_map_page_attrs", " => nic_xmit"] },
    {
      name: "with offsets and addresses",
      frames: [" => dma_map_page_attrs+0x1/0x9 <ffffffff81000000>", " => nic_xmit+0x77/0x1a0 [nic]"],
    },
    {
      name: "of trace-cmd",
      marker: "kernel_stack:         <stack trace >",
      frames: ["=> dma_map_page_attrs (ffffffff81000000)", "=> nic_xmit (ffffffffc0000077)"],
    },
    {
      name: "in the latency format",
      before: "modprobe-12      0.....    1us : ",
      frames: [" => dma_map_page_attrs", " => nic_xmit"],
    },
    { name: "without context", before: "", frames: [" => dma_map_page_attrs", " => nic_xmit"] },
    {
      name: "on a console",
      before: "[   12.345678] modprobe-12 0..... 130427us : ",
      frames: ["[   12.345679]  => dma_map_page_attrs", "[   12.345680]  => nic_xmit"],
    },
    {
      name: "in a comment of the function graph",
      before: " 0)               |  /* ",
      frames: [" => dma_map_page_attrs", " => nic_xmit */"],
    },
    {
      name: "in an answer to a mail",
      before: `> ${on(0, "1.000000")}`,
      frames: ["> => dma_map_page_attrs", "> => nic_xmit"],
    },
  ])(
    "$name are read, whatever the pieces",
    ({ before = on(0, "1.000000"), marker = "<stack trace>", frames }) => {
      const lines = [`${before}${MAP}`, `${before}${marker}`, ...frames, `${before}${UNMAP}`];
      for (const end of ["\n", "\r\n"]) {
        for (const pieces of [1, 7, 1000]) {
          const reader = readText(lines.join(end) + end, pieces);
          expect(functionsOf(reader)).toEqual(["dma_map_page_attrs nic_xmit", undefined]);
          expect(reader.counts).toMatchObject({ events: 2, stackLines: 3, stacks: 1, other: 0 });
        }
      }
    },
  );

  it("of perf stand right behind their events, with those of the program", () => {
    const lines = [
      `modprobe 12 [000] 1.000000: dma:${MAP}`,
      "\tffffffff81000000 dma_map_page_attrs+0x10 ([kernel.kallsyms])",
      "\tffffffffc0000077 nic_xmit+0x77 ([nic])",
      "\tffffffffc0000099 [unknown] ([unknown])",
      "\t          401234 main+0x4 (/usr/bin/modprobe)",
      "",
      "modprobe 12 [000] 1.000001: sched:sched_waking: comm=x",
      "\tffffffff81000001 try_to_wake_up+0x10 ([kernel.kallsyms])",
      "",
      `modprobe 12 [000] 1.000002: dma:${UNMAP}`,
      "",
    ];
    const reader = readText(`${lines.join("\n")}\n`);
    expect(functionsOf(reader)).toEqual(["dma_map_page_attrs nic_xmit 0xffffffffc0000099 main", undefined]);
    expect(reader.stacks.callers(reader.stacks.of(0))).toEqual([
      "nic_xmit+0x77 [nic]",
      "0xffffffffc0000099",
      "main+0x4 /usr/bin/modprobe",
    ]);
    expect(reader.counts).toMatchObject({ events: 2, stackLines: 5, stacks: 2, other: 1 });
  });

  const stackOf = (cpu: number, time: string, name: string): string[] => [
    `${on(cpu, time)}<stack trace>`,
    ` => ${name}`,
  ];

  it("belong to the last event of their CPU, other CPUs between", () => {
    const lines = [
      ...[`${on(0, "1.000000")}${MAP}`, ...stackOf(0, "1.000001", "first")],
      ...[`${on(0, "1.000002")}${MAP}`, `${on(1, "1.000003")}${UNMAP}`],
      ...[...stackOf(0, "1.000004", "zero"), ...stackOf(1, "1.000005", "one")],
    ];
    expect(functionsOf(readText(`${lines.join("\n")}\n`))).toEqual(["first", "zero", "one"]);
  });

  it("of an interrupt between an event and its stack are the interrupt's", () => {
    const lines = [
      ...[`${on(0, "1.000000")}${MAP}`, ...stackOf(0, "1.000001", "first")],
      ...[`${on(0, "1.000002")}${MAP}`, `${on(0, "1.000003")}${UNMAP}`],
      ...[...stackOf(0, "1.000004", "interrupt"), ...stackOf(0, "1.000005", "task")],
    ];
    expect(functionsOf(readText(`${lines.join("\n")}\n`))).toEqual(["first", "task", "interrupt"]);
  });

  it("of other events, of other buffers and of another CPU are nobody's", () => {
    const lines = [
      ...[`${on(0, "1.000000")}${MAP}`, ...stackOf(1, "1.000001", "elsewhere")],
      ...[`${on(0, "1.000002")}${MAP}`, `${on(0, "1.000003")}map: IOMMU: iova=0x1000 size=512`],
      ...stackOf(0, "1.000004", "iommu_map"),
      ...[
        `${on(0, "1.000005")}${UNMAP}`,
        "second: modprobe-12 [000] ..... 1.000006: kernel_stack: <stack trace >",
      ],
      ...["=> another", `${on(0, "1.000007")}<user stack trace>`, " =>  <00007f00000>"],
    ];
    const reader = readText(`${lines.join("\n")}\n`);
    expect(functionsOf(reader)).toEqual([undefined, undefined, undefined]);
    expect(reader.counts).toMatchObject({ stackLines: 8, other: 1 });
  });

  it("have a limited depth, and what is left out is counted", () => {
    const frames = Array.from({ length: 600 }, () => " => recursion");
    const { stacks } = readText(
      [`${on(0, "1.000000")}${MAP}`, `${on(0, "1.000000")}<stack trace>`, ...frames, ""].join("\n"),
    );
    expect(stacks.frames(stacks.of(0))).toHaveLength(512);
    expect(stacks.dropped).toBe(88);
  });

  it.each(["", "\t", "> ", "Nov 27 22:13:24 host perf[7]: ", "guest-1  | ", "2026-11-27T22:13:24.6Z "])(
    "of perf are read behind %j, which stands before every line, and its other lines are no frames",
    (prefix) => {
      const lines = [
        `modprobe 12 [000] 1.000000: dma:${MAP}`,
        "\tffffffff81000000 dma_map_page_attrs+0x10 ([kernel.kallsyms])",
        "\t          401234 main+0x4 (/usr/bin/modprobe)",
        `modprobe 12 [000] 1.000001: dma:${UNMAP}`,
        "login: ",
        `modprobe 12 [000] 1.000002: dma:${MAP}`,
        "\tdma_map_page_attrs",
        "x",
        `modprobe 12 [000] 1.000003: dma:${UNMAP}`,
        "x",
      ];
      const reader = readText(lines.map((line) => `${prefix + line}\n`).join(""));
      expect(functionsOf(reader)).toEqual([
        "dma_map_page_attrs main",
        undefined,
        "dma_map_page_attrs",
        undefined,
      ]);
      expect(reader.counts).toMatchObject({ events: 4, stackLines: 3, stacks: 2, other: 3 });
    },
  );

  it("are not those of lines that are no frames", () => {
    const lines = [
      `${on(0, "1.000000")}${MAP}`,
      " => nobody",
      "\ttext",
      "a line that ends so >",
      "\tdeadbeef cafe",
    ];
    const reader = readText(`${lines.join("\n")}\n`);
    expect(functionsOf(reader)).toEqual([undefined]);
    expect(reader.counts).toMatchObject({ stackLines: 1, other: 3 });
  });
});
