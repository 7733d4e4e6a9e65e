import { describe, expect, it } from "vitest";
import { checkTrace } from "../../../src/check/whole/check-trace.ts";

const SMMU = "arm-smmu-v3 2b400000.iommu:";
/** Tabs stand before the words, as the kernel prints them. */
const RECORD = [
  `${SMMU} event 0x10 received:`,
  ...["0000010000000010", "0000020800000000", "00000000fffe0040", "0000000000000000"].map(
    (word) => `${SMMU} \t0x${word}`,
  ),
];
const WORDED = `${SMMU} event: F_TRANSLATION client: 0000:01:00.0 sid: 0x100 ssid: 0x0 iova: 0xfffe0040 ipa: 0x0`;
const OTHER = "usb 1-1: new high-speed USB device number 2 using xhci_hcd";

/** The findings of a log. */
const findingsOf = async (
  lines: readonly string[],
): Promise<{ kind: string; device?: string; ioba?: string; message: string; time?: number }[]> => {
  const { findings } = await checkTrace(lines.map((line) => `${line}\n`).join(""));
  return findings.map(({ kind, device, ioba, message, time }) => ({
    kind,
    ...(device === undefined ? {} : { device }),
    ...(ioba === undefined ? {} : { ioba: ioba.toString(16) }),
    message: message.split(":")[0]!,
    ...(time === undefined ? {} : { time: Number(time) }),
  }));
};

const onBus = {
  kind: "io-fault",
  device: "0000:01:00.0",
  ioba: "fffe0040",
  message: "the device, known by its stream 0x100 only, reads 0xfffe0040",
};

describe("the kernel's log says of", () => {
  it.each([
    { of: "an SMMUv3's event record", lines: RECORD, says: onBus },
    { of: "one with lines of others between", lines: RECORD.flatMap((line) => [line, OTHER]), says: onBus },
    { of: "one that is said again in words", lines: [...RECORD, WORDED], says: onBus },
    {
      of: "one whose record is not whole",
      lines: [...RECORD.slice(0, 3), WORDED],
      says: { ...onBus, message: "the device accesses 0xfffe0040" },
    },
    {
      of: "an Apple DART",
      lines: [
        "apple-dart 682008000.iommu: translation fault: status:0x80000001 stream:1 code:0x2 (no PTE for IOVA) at 0x10000ff000",
      ],
      says: { kind: "io-fault", ioba: "10000ff000", message: "a device accesses 0x10000ff000" },
    },
    {
      of: "a virtio-iommu",
      lines: ["virtio_iommu virtio0: page fault from EP 8 at 0x1234000 [W]"],
      says: { kind: "io-fault", ioba: "1234000", message: "a device writes 0x1234000" },
    },
    {
      of: "memory that a device cannot reach",
      lines: ["nvme 0000:5e:00.0: overflow 0x0000000123456000+4096 of DMA mask ffffffff bus limit 0"],
      says: {
        kind: "beyond-mask",
        device: "0000:5e:00.0",
        message: 'the kernel says "overflow 0x0000000123456000+4096 of DMA mask ffffffff bus limit 0"',
      },
    },
  ])("$of", async ({ lines, says }) => {
    expect(await findingsOf(lines)).toEqual([says]);
  });

  it.each([
    { by: "a console", before: "[   12.100000] " },
    { by: "/dev/kmsg", before: "3,1105,12100000,-;" },
    { by: "netconsole", before: "6.12.0-rc3+,3,1105,12100000,-,caller=T77;" },
  ])("a moment, by $by", async ({ before }) => {
    expect(await findingsOf(RECORD.map((line) => before + line))).toEqual([{ ...onBus, time: 12.1 }]);
  });

  it("the device that the words of an SMMUv3 name, where its stream stands for another one", async () => {
    const lines = [...RECORD, WORDED.replace("0000:01:00.0", "30700000.gpu")];
    expect(await findingsOf(lines)).toEqual([
      onBus,
      { ...onBus, device: "30700000.gpu", message: "the device accesses 0xfffe0040" },
    ]);
  });

  it.each([
    {
      about: "is of the device that has its number",
      device: "0000:01:00.0",
      found: "0000:01:00.0",
      owner: "",
    },
    {
      about: "is of none, where others are known",
      device: "0000:00:05.0",
      found: undefined,
      owner: "0000:00:05.0",
    },
  ])("a stream, which $about", async ({ device, found, owner }) => {
    const map = ` nvme-8 [000] d..1. 5.100000: dma_map_page: ${device} dir=FROM_DEVICE dma_addr=fffe0000 size=4096 phys_addr=1000 attrs=`;
    const { findings } = await checkTrace([map, ...RECORD].map((line) => `${line}\n`).join(""));
    const [fault] = findings.filter(({ kind }) => kind === "io-fault");
    expect(fault?.device).toBe(found);
    if (owner !== "")
      expect(fault?.message).toMatch(
        /^a device, known by its stream 0x100 only, reads 0xfffe0040, which is mapped for 0000:00:05.0, .*; nothing tells whether/,
      );
  });

  it("an SMMUv3's record in JSON and in the journal's fields", async () => {
    const json = RECORD.map((line) => `         "msg": "${line.replace("\t", "\\t")}"\n      },{`);
    const fields = RECORD.map((line) => `    PRIORITY=3\n    MESSAGE=${line}\n    _TRANSPORT=kernel`);
    expect(await findingsOf(json.flatMap((text) => text.split("\n")))).toEqual([onBus]);
    expect(await findingsOf(fields.flatMap((text) => text.split("\n")))).toEqual([onBus]);
  });
});

describe("an event of another kind that a mailer broke", () => {
  const origin = " (udev-worker)-410     [003] .....     5.101550: ";

  it.each([
    "map: IOMMU: iova=0x00000000f5f00000 - 0x00000000f5f80000 paddr=0x0000000142500000 size=524288",
    "swiotlb_bounced: dev_name: 0000:00:06.0 dma_mask=ffffffff dev_addr=140000000 size=4096 NORMAL",
    "io_page_fault: IOMMU:0000:00:06.0 iova=0xfffe0040 flags=0x0001",
  ])("is joined, wherever that was: %s", async (text) => {
    const words = text.split(" ");
    const whole = await checkTrace(`${origin}${text}\n`);
    expect(whole.judged.kernelLines).toBe(1);
    for (let at = 2; at < words.length; at++) {
      const broken = `${origin}${words.slice(0, at).join(" ")}\n${words.slice(at).join(" ")}\n`;
      const { judged, findings } = await checkTrace(broken);
      expect([judged.kernelLines, findings], broken).toEqual([1, whole.findings]);
    }
  });

  it("is named where the rest is not there", async () => {
    const text = `${origin}map: IOMMU: iova=0x00000000f5f00000 -\n${origin}dma_map_page: 0000:00:06.0 dir=TO_DEVICE dma_addr=1000 size=4096 phys_addr=1000 attrs=\n`;
    const { findings, notJudged } = await checkTrace(text);
    expect(
      JSON.stringify([findings, notJudged], (_, value) =>
        typeof value === "bigint" ? String(value) : value,
      ),
    ).toMatch(/line 1\b|unreadable|cannot be read/);
  });
});

describe("an event of another kind as its fields", () => {
  const origin = " (udev-worker)-410     [003] .....     5.101550: ";
  const MAP = "map: IOMMU: iova=0x00000000f5f00000 - 0x00000000f5f80000 paddr=0x0000000142500000 size=524288";
  const BOUNCED =
    "swiotlb_bounced: dev_name: 0000:00:06.0 dma_mask=ffffffff dev_addr=140000000 size=4096 FORCE";
  const FAULT = "io_page_fault: IOMMU:0000:00:06.0 iova=0xfffe0040 flags=0x0001";

  it.each([
    [MAP, "map:  iova=0x00000000f5f00000 paddr=0x0000000142500000 size=524288"],
    [MAP, "map: iova=0xf5f00000 (4126146560) paddr=0x142500000 (5407506432) size=0x80000 (524288)"],
    [
      BOUNCED,
      "swiotlb_bounced:  dev_name=0000:00:06.0 dma_mask=ffffffff dev_addr=140000000 size=4096 force=1",
    ],
    [FAULT, "io_page_fault:  device=0000:00:06.0 driver=virtio-pci iova=0x00000000fffe0040 flags=1"],
    [FAULT, "io_page_fault: device=0000:00:06.0 driver= iova=0xfffe0040 (4294836288) flags=0x1 (1)"],
  ])("says the same: %s, %s", async (text, fields) => {
    const { judged, findings, bounced } = await checkTrace(`${origin}${text}\n`);
    const asFields = await checkTrace(`${origin}${fields}\n`);
    expect(judged.kernelLines).toBe(1);
    expect([asFields.judged, asFields.findings, asFields.bounced]).toEqual([judged, findings, bounced]);
  });
});

describe("a line of the kernel's log that was broken", () => {
  const LINES = [
    "[   12.345679] DMAR: [DMA Write NO_PASID] Request device [02:00.0] fault addr 0xfec3a000 [fault reason 0x05] PTE",
    "[   12.345679] nvme 0000:02:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000c address=0xfec3a08c flags=0x0020]",
    "[   12.345679] arm-smmu 5000000.iommu: Unhandled context fault: fsr=0x402, iova=0xfec3a000, fsynr=0x10, cb=2",
    "[   12.345679] e1000e 0000:00:19.0: swiotlb buffer is full (sz: 4096 bytes), total 32768 (slots), used 100 (slots)",
    "[   12.345679] DMA-API: e1000e 0000:00:19.0: device driver has pending DMA allocations while released from device [count=32]",
    "[   12.345679] DMA-API: e1000e 0000:00:19.0: device driver tries to free DMA memory it has not allocated [device address=0x00000000fec3a000]",
  ];
  const told = async (text: string): Promise<unknown> => {
    const { findings, judged } = await checkTrace(text);
    return [
      judged,
      findings.map(({ message, ...rest }) => ({ ...rest, message: message.replace(/ /g, "").slice(0, 30) })),
    ];
  };

  it.each(LINES)("is joined, or named: %s", async (line) => {
    const whole = await told(`${line}\n${OTHER}\n`);
    // Of words, and of what older kernels leave out, nobody knows what they were.
    const isCertain = (at: number): boolean =>
      (line[at] === " " || !line.includes("DMA-API")) && line.slice(at - 1, at + 1) !== "),";
    for (let at = 45; at < line.length; at++) {
      if (!isCertain(at) || (line[at] !== " " && at % 3 > 0)) continue;
      const pieces =
        line[at] === " " ? [line.slice(0, at), line.slice(at + 1)] : [line.slice(0, at), line.slice(at)];
      expect(await told(`${pieces.join("\n")}\n${OTHER}\n`), pieces.join("|")).toEqual(whole);
      if (line[at] === " ")
        expect(await told(`${pieces.map((piece) => `> ${piece}\n`).join("")}`)).toEqual(whole);
    }
  });

  it.each(LINES.slice(0, 4))("is not taken for nothing where its end is missing: %s", async (line) => {
    const event =
      "  dd-7  [000] ..... 9.000001: dma_map_page: 0000:00:06.0 dir=TO_DEVICE dma_addr=1000 size=4096 phys_addr=1000 attrs=";
    for (const end of [82, 90]) {
      const { findings, judged } = await checkTrace(`${event}\n${line.slice(0, end)}\n`);
      expect(judged.kernelLines + findings.filter(({ kind }) => kind === "truncated").length).toBe(1);
    }
  });

  it("does not swallow the next one", async () => {
    const text = `${LINES[1]!.slice(0, 80)}\n${LINES[0]}\n${LINES[1]}\n`;
    const { judged, findings } = await checkTrace(text);
    expect(judged.kernelLines).toBe(2);
    expect(findings.map(({ kind }) => kind)).toContain("truncated");
  });
});
