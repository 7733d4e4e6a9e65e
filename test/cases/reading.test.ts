import { readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { measureTrace } from "../../src/check/whole/measure-trace.ts";
import { packingOf } from "../../src/formats/input/packing.ts";
import { DMA_EVENT_NAMES, DMA_LOST } from "../../src/formats/trace/dma-kinds.ts";
import { DmaLogReader } from "../../src/formats/trace/linux-dma-log.ts";
import { checkTrace } from "../check/checked.ts";

/** Texts of recordings, and what another reader counted in them. */
const TEXTS: Readonly<
  Record<
    string,
    {
      readonly dmaEvents: Record<string, number>;
      readonly byDevice: Record<string, number>;
      readonly lostMarkers: number;
    }
  >
> = JSON.parse(readFileSync(path.join(import.meta.dirname, "linux-texts.json"), "utf8"));

/** The bytes of a case, unpacked. */
function readCase(name: string): Uint8Array {
  const bytes = readFileSync(path.join(import.meta.dirname, name));
  return packingOf(bytes) === "gzip" ? gunzipSync(bytes) : bytes;
}

describe("texts as people have them", () => {
  it.each([
    { name: "01-pasted-in-mail.txt", events: 2, alive: 0, findings: [] },
    { name: "02-perf-failed-to-parse.txt", events: 119, alive: 1 },
    { name: "07-tp-printk.dmesg", events: 48, alive: 40 },
    { name: "07-dump-on-oops.dmesg", events: 48, alive: 40 },
    { name: "23-perf-trace.txt", events: 79, alive: 1 },
    { name: "task-name-utf8.txt", events: 1, alive: 1, findings: [] },
    { name: "formula-and-escape-in-task.txt", events: 14 },
    { name: "first-event-behind-64k.txt.gz", events: 3 },
    { name: "612-clock-uptime.txt.gz", events: 51, alive: 0, findings: [] },
    { name: "612-ftrace-dump-console.txt.gz", events: 51, alive: 0, findings: [] },
    { name: "612-function-graph.txt.gz", events: 51, alive: 0, findings: [] },
    { name: "612-two-buffers-report.txt.gz", events: 51, alive: 0, findings: [] },
    { name: "612-verbose-latency.txt.gz", events: 51, alive: 0, findings: [] },
    { name: "612-percpu-pipe-cpu0.txt.gz", events: 32, alive: 8, findings: [] },
    { name: "72-percpu-trace-cpu0-wrapped.txt.gz", events: 80, alive: 12, findings: [] },
    { name: "612-wrapped-pipe.txt.gz", events: 495, alive: 0, findings: ["lost-events"] },
    { name: "72-perf-show-lost.txt.gz", events: 292, findings: ["lost-events"] },
    { name: "72-perf-F-period.txt.gz", events: 47, alive: 0, findings: [] },
    { name: "72-perf-F-pid-tid.txt.gz", events: 47, alive: 0, findings: [] },
    { name: "612-mixed-marker.txt.gz", events: 51, alive: 0, findings: [] },
    { name: "612-stack-report.txt.gz", events: 124, alive: 8, findings: [] },
    { name: "72-perf.txt.gz", events: 47, alive: 0, findings: [] },
    { name: "arm64-72-smmuv3.txt.gz", events: 599, alive: 0, findings: [] },
    { name: "trace-cmd316-raw-debug-ts-diff.txt.gz", events: 51, alive: 0, findings: [] },
    { name: "trace-cmd316-stack.txt.gz", events: 124, alive: 8, findings: [] },
    { name: "trace-cmd316-tsc-latency.txt.gz", events: 51, alive: 0, findings: [] },
    { name: "trace-cmd316-two-buffers-debug-ts-diff.txt.gz", events: 55, alive: 0, findings: [] },
    { name: "trace-cmd316-two-files-debug.txt.gz", events: 55, alive: 0, findings: [] },
    { name: "slof-e1000-11.1.log.gz", events: 345, findings: [] },
    { name: "console-mixed-line.log", events: 5, findings: [] },
    { name: "journald-prefix.log", events: 40, findings: [] },
    { name: "msg-timestamp-11.1.log.gz", events: 14, findings: ["refused-call"] },
    { name: "libvirt9-domain.log.gz", events: 13, findings: ["refused-call", "refused-call"] },
  ])("$name: $events events, $alive alive", ({ name, events, alive, findings }) => {
    const report = checkTrace(readCase(name));
    expect(report.judged.events).toBe(events);
    if (alive !== undefined) expect(report.judged.alive).toBe(alive);
    if (findings !== undefined) expect(report.findings.map(({ kind }) => kind)).toEqual(findings);
    expect(report.findings.filter(({ kind }) => kind === "truncated")).toEqual([]);
  });

  it.each([
    { name: "07-dump-on-oops.dmesg", tasks: ["modprobe", "<idle>", "kworker/u64:1"], seconds: 12 },
    { name: "07-tp-printk.dmesg", tasks: [], seconds: 12 },
    { name: "01-pasted-in-mail.txt", tasks: ["(udev-worker)", "kworker/u32:2"], seconds: 5 },
    { name: "23-perf-trace.txt", tasks: ["insmod"], seconds: 0 },
    { name: "task-name-utf8.txt", tasks: ["münchen"], seconds: 7 },
  ])("$name: tasks are $tasks", ({ name, tasks, seconds }) => {
    const times: number[] = [];
    const reader = new DmaLogReader((event) => times.push(event.seconds));
    reader.push(readCase(name));
    reader.end();
    expect([...reader.tasks.names].sort()).toEqual([...tasks].sort());
    expect(times[0]).toBe(seconds);
  });

  it("says what other buffers, other CPUs and older lines keep it from judging", () => {
    const reasons = (name: string) =>
      checkTrace(readCase(name)).notJudged.map(({ count, reason }) => `${count} ${reason}`);
    expect(reasons("612-two-buffers-report.txt.gz")).toContain("51 events of other buffers");
    expect(reasons("612-percpu-pipe-cpu0.txt.gz").join()).toContain("only events of CPU 0 are there");
    expect(reasons("72-percpu-trace-cpu0-wrapped.txt.gz").join()).toContain("only events of CPU 0 are there");
  });

  it.each([0, 1])("withholds from trace-cmd report --cpu %i what only a text of all CPUs shows", (cpu) => {
    const others = new RegExp(`\\[(?!00${cpu}\\])\\d{3}\\]`);
    const whole = new TextDecoder().decode(readCase("trace-cmd316-stack.txt.gz"));
    const entries = whole.split(/\n(?=\s+\S.*\[\d{3}\])/);
    const text = entries.filter((entry) => !others.test(entry.split("\n")[0]!)).join("\n");
    const { findings, notJudged, judged } = checkTrace(new TextEncoder().encode(`cpus=2\n${text}\n`));
    expect(judged.events).toBeGreaterThan(50);
    expect(findings).toEqual([]);
    expect(notJudged.map(({ reason }) => reason).join()).toContain(`only events of CPU ${cpu} are there`);
  });
});

describe("Linux' lines with names that look like something else", () => {
  const line = (task: string, device: string, at: number, event: string): string =>
    `${task.padStart(16)}-12 [000] ..... 5.00000${at}: ${event.replace(": ", `: ${device} `)} attrs=\n`;
  const text = (task: string, device: string): string =>
    line(task, device, 1, "dma_map_page: dir=TO_DEVICE dma_addr=1000 size=64 phys_addr=9000") +
    line(task, device, 2, "dma_unmap_page: dir=TO_DEVICE dma_addr=1000 size=32") +
    line(task, device, 3, "dma_unmap_page: dir=TO_DEVICE dma_addr=1000 size=64");
  const read = (task: string, device: string): unknown[] => {
    const { devices, findings, judged } = checkTrace(new TextEncoder().encode(text(task, device)));
    return [devices!.map((one) => one.device), findings.map(({ kind, task: of }) => [kind, of]), judged.maps];
  };

  it.each(["dma_map_page:", "dma_unmap_sg:", "dma_free:"])("task %j", (task) => {
    expect(read(task, "0000:00:03.0")).toEqual([
      ["0000:00:03.0"],
      [
        ["size-mismatch", `${task}-12`],
        ["double-unmap", `${task}-12`],
      ],
      1,
    ]);
  });

  it.each(["my sound card", "soc@0:gpu", "AMDI0010:00", "fe310000.usb", "(null)"])("device %j", (device) => {
    expect(read("a", device)).toEqual([
      [device],
      [
        ["size-mismatch", "a-12"],
        ["double-unmap", "a-12"],
      ],
      1,
    ]);
  });
});

describe("texts of the CPUs of one machine, one after the other", () => {
  const event = (cpu: number, at: number, rest: string): string =>
    `   a-12 [00${cpu}] ..... ${at}.000000: ${rest.replace(": ", ": 0000:00:03.0 dir=FROM_DEVICE ")} attrs=\n`;
  const map = "dma_map_page: dma_addr=1000 size=64 phys_addr=9000";
  const unmap = "dma_unmap_page: dma_addr=1000 size=64";
  const check = (text: string) => checkTrace(new TextEncoder().encode(text));
  // Each CPU maps what the other unmaps.
  const of = (cpu: number): string =>
    [1, 3, 5, 7]
      .map((at) => event(cpu, at + cpu, map) + (at > 5 ? event(cpu, at + cpu + 1, map) : ""))
      .join("") + event(cpu, 20 + cpu, unmap.replace("1000", "8000"));

  it("are not paired, and nothing of them is called fine or wrong", () => {
    const { findings, notJudged } = check(of(0) + of(1));
    expect(findings).toEqual([]);
    expect(notJudged.map(({ reason }) => reason).join()).toContain("the events of each CPU (0, 1)");
    expect(notJudged.some(({ isMissing }) => isMissing)).toBe(true);
  });

  it("are judged where they are in the order of time", () => {
    const { findings } = check(event(0, 1, map) + event(1, 2, map) + event(0, 3, unmap) + event(1, 4, unmap));
    expect(findings.map(({ kind }) => kind)).toEqual(["double-map"]);
  });
});

describe("what another reader counted in recordings of Linux 6.12 and 7.2", () => {
  it.each(Object.entries(TEXTS))("is read: %s", (name, { dmaEvents, byDevice, lostMarkers }) => {
    const kinds: Record<string, number> = {};
    const devices: Record<string, number> = {};
    let lost = 0;
    const reader: DmaLogReader = new DmaLogReader((event) => {
      if (event.kind === DMA_LOST) {
        lost++;
        return;
      }
      const kind = DMA_EVENT_NAMES[event.kind]!;
      const device = reader.devices.names[event.device]!;
      kinds[kind] = (kinds[kind] ?? 0) + 1;
      devices[device] = (devices[device] ?? 0) + 1;
    });
    reader.push(readCase(name));
    reader.end();
    expect({ kinds, devices, lost }).toEqual({
      kinds: dmaEvents,
      devices: byDevice,
      lost: lostMarkers,
    });
  });

  it("has the stacks of both ways in which trace-cmd prints them", () => {
    const stacksIn = (name: string) => {
      const reader = new DmaLogReader(() => {});
      reader.push(readCase(name));
      reader.end();
      return { stacks: reader.counts.stacks, events: reader.stacks.events };
    };
    expect(stacksIn("612-stack-report.txt.gz")).toEqual({ stacks: 124, events: 124 });
    expect(stacksIn("trace-cmd316-stack.txt.gz")).toEqual({ stacks: 124, events: 124 });
  });
});

describe("a text without an event of ours", () => {
  it.each([
    { name: "10-swiotlb-only.txt", message: /120 lines of swiotlb_bounced, .*a trace of Linux.*events\/dma/ },
    { name: "22-iommu-events-only.txt", message: /64 lines of map, 59 lines of unmap, .*a trace of Linux/ },
  ])("$name is refused with what is there by what wants dma events", async ({ name, message }) => {
    await expect(measureTrace(readCase(name))).rejects.toThrow(message);
  });

  it.each([
    { text: "", message: /the file is empty/ },
    {
      text: "1@2.000000:spapr_drc_reset drc: 0x1\n",
      message: /1 line of spapr_drc_reset.*a log of QEMU.*-trace/,
    },
    { text: "[    1.000000] Booting\n", message: /the kernel's log/ },
    { text: "PERFILE2........", message: /a perf\.data of perf.*this needs a trace of QEMU/ },
    { text: "LibvirtQemudSave\u0002....", message: /an image of virsh save/ },
    { text: "\u0017\u0008Dtracing", message: /a trace\.dat of trace-cmd.*this needs a trace of QEMU/ },
    {
      text: "dma_unmap_phys: 0000:00:03.0 dir=TO_DE\n",
      message: /line 1 names one and cannot be read: dma_unmap_phys/,
    },
    { text: `${"x".repeat(70_000)}\nprose\n`, message: /some other text/ },
  ])("is refused: $message", ({ text, message }) => {
    expect(() => checkTrace(text)).toThrow(message);
  });

  it("that is packed by zstd, and does not come unpacked, is damaged", () => {
    const bytes = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 4, 0, 1, 2);
    expect(() => checkTrace(bytes)).toThrow(/packed with zstd.*unless its first bytes are damaged/);
  });

  it("is found again, however much stands before the first event", () => {
    const event = "spapr_iommu_new_table liobn=0x80000000 table=0x1 fd=-1\n";
    const report = checkTrace("spapr_drc_reset drc: 0x1\n".repeat(20_000) + event);
    expect(report.judged.events).toBe(1);
  });
});

describe("two recordings", () => {
  const corpus = (name: string): string[] =>
    gunzipSync(readFileSync(path.join(import.meta.dirname, "../corpus/traces", name)))
      .toString("latin1")
      .split("\n")
      .filter((line) => line !== "");

  it("that stand one behind the other are not judged as one, which it says", () => {
    const lines = corpus("dma-ppc64le-linux72-nvme-e1000.txt.gz");
    const { findings, notJudged } = checkTrace(`${[...lines, ...lines].join("\n")}\n`);
    expect(findings).toEqual([]);
    expect(notJudged).toContainEqual({ count: 1, reason: expect.stringContaining("times go back") });
  });
});
