import { describe, expect, it } from "vitest";
import { machineOfCommandLine } from "../../src/formats/machine/qemu-command-line.ts";
import { readMachine } from "../../src/formats/machine/read-machine.ts";
import { explainDdwLog } from "../../src/lab/ddw-log.ts";
import { configOfDescription, LinuxMachine } from "../../src/lab/linux-machine.ts";
import { type Plan, type PlanOptions, planMachine } from "../../src/lab/plan.ts";
import { HostedMachine } from "../../src/vfio/hosted-machine.ts";
import { readSidecar } from "../helpers/corpus.ts";

const KIB = 1024n;
const MIB = KIB * KIB;
const GIB = MIB * KIB;

const planOf = (options: string, plan: PlanOptions = {}): Plan =>
  planMachine(machineOfCommandLine(`qemu-system-ppc64 -nodefaults ${options}`), {
    kernel: "6.1",
    passThrough: true,
    ...plan,
  });

const NVDIMM = "-m 512M,slots=4,maxmem=4G -object memory-backend-ram,id=n,size=256M -device nvdimm,memdev=n";

describe("a plan, by hand", () => {
  // Version 2: all memory, 4 MiB for the default window of 1 GiB, and for the guest's own window 16 bytes for each
  // 64 KiB, which is what the guest's memory has for pages; a level has at least a page of 64 KiB.
  it.each([
    { options: "-m 256M", most: 256n * MIB + 4n * MIB + 128n * KIB, why: "a table of a page" },
    { options: "-m 4G", most: 4n * GIB + 4n * MIB + MIB, why: "2^16 pages" },
    { options: "-m 3G", most: 3n * GIB + 4n * MIB + MIB, why: "a window is a power of two: 4 GiB" },
    {
      options: "-m 24G",
      most: 24n * GIB + 4n * MIB + 8n * MIB,
      why: "2^19 pages, of which a quarter stays empty",
    },
    {
      options: "-m 4G,slots=4,maxmem=16G",
      most: 16n * GIB + 8n * MIB,
      why: "a window for what can be plugged",
    },
    {
      options: "-m 1G -global spapr-pci-host-bridge.pgsz=0x1000",
      most: GIB + 8n * MIB,
      why: "2^18 pages of 4 KiB",
    },
    {
      options: "-m 2G -device spapr-pci-host-bridge,index=1",
      most: 2n * GIB + 2n * (4n * MIB + 512n * KIB),
      why: "memory counts once, tables for each bridge",
    },
    { options: "-m 1G", kernel: "6.12", most: GIB + 4n * MIB, why: "no window: refused" },
    {
      options: "-m 4G -global spapr-pci-host-bridge.ddw=off",
      container: "spapr-v1",
      most: 2n * GIB + 8n * MIB,
      why: "version 1: the host's window and its table, whatever the guest has",
    },
    {
      options: "-m 1G -M pseries,accel=kvm",
      most: GIB + 4n * MIB + 256n * KIB + (33n + 2n) * 64n * KIB,
      why: "KVM's tables of the guest count, too",
    },
  ] as const)("locks for $options: $why", ({ options, most, ...plan }) => {
    const { locked } = planOf(options, plan);
    expect(locked?.most).toBe(most);
  });

  it.each(["-m 256M", "-m 4G", "-m 2G -device spapr-pci-host-bridge,index=1", "-m 1G -M pseries,accel=kvm"])(
    "locks just what the modelled kernel charges: %s",
    (options) => {
      const { afterBoot } = planOf(options).locked!;
      const description = machineOfCommandLine(`qemu-system-ppc64 -nodefaults ${options}`);
      const problems = (lockLimit: bigint): number => {
        const config = { ...configOfDescription(description), accel: description.accelerator, lockLimit };
        const hosted = new HostedMachine({ ...config, groups: 2 });
        let fatal = 0;
        hosted.machine.observer.hazard = () => fatal++;
        // KVM's tables of the start are not charged yet when the limit is set.
        const plugged = description.bridges.map(({ index }, group) => hosted.plug(group, index).ok);
        const machine = { ...description, modules: undefined, pciDevices: description.bridges.map(deviceOf) };
        new LinuxMachine(machine, { machine: hosted.machine, kernel: "6.1", assumesDrivers: true }).run();
        return fatal + plugged.filter((ok) => !ok).length;
      };
      expect(problems(afterBoot)).toBe(0);
      expect(problems(afterBoot - 65_536n)).toBeGreaterThan(0);
    },
  );

  it("says of which devices it assumes what their drivers ask for", () => {
    const texts = (options: string): string =>
      planOf(options, { passThrough: false })
        .notes.map(({ text }) => text)
        .join("\n");
    expect(texts("-m 1G -device vfio-pci,host=1:0:0.0")).toContain(
      "the drivers of vfio-pci ask for is not known here",
    );
    expect(texts("-m 1G -device nvme")).not.toContain("is not known here");
  });

  it("has no locked memory without a device of the host", () => {
    expect(planOf("-m 1G -device nvme", { passThrough: false }).locked).toBeNull();
    expect(planOf("-m 1G -device vfio-pci,host=1:0:0.0", { passThrough: false }).locked).not.toBeNull();
  });

  it("says that QEMU stops: NVDIMM, whose window no table of the host holds, and version 1 with dynamic windows", () => {
    for (const plan of [planOf(NVDIMM), planOf("-m 1G", { container: "spapr-v1" })]) {
      const errors = plan.notes.filter(({ severity }) => severity === "error").map(({ text }) => text);
      expect(errors.join("\n")).toMatch(/^QEMU stops when the guest does this/);
    }
  });

  it("says which entries are too many for a type1 container, and that a plug takes long", () => {
    const texts = (options: string): string => JSON.stringify(planOf(options).notes);
    expect(texts("-m 1G -global spapr-pci-host-bridge.pgsz=0x1000")).toContain(
      '"warning","text":"262,144 mappings after the boot',
    );
    expect(texts("-m 4G")).toContain('"info","text":"256 mappings after the boot');
    expect(texts(NVDIMM)).toContain("replays its largest window of 134,217,728 entries");
  });

  it("says what helps a guest whose window is refused", () => {
    const { notes, refused, windows } = planOf("-m 1G", { kernel: "7.2" });
    expect(windows).toHaveLength(1);
    expect(refused.map(({ id }) => id)).toEqual(["QEMU-CREATE-1"]);
    const texts = notes.map(({ text }) => text).join("\n");
    expect(texts).toContain("slots=1 and a maxmem above the memory");
    expect(texts).toContain("it never unmaps them");
    expect(planOf("-m 1G,slots=1,maxmem=2G", { kernel: "7.2" }).refused).toEqual([]);
  });

  it("says that nobody knows what Linux makes of a default window that the tree shows without its size", () => {
    const { notes } = planOf("-m 1G -global spapr-pci-host-bridge.dma_win_size=4G", { passThrough: false });
    expect(notes.map(({ text }) => text).join("\n")).toContain(
      "bridge 0: its default window has 0 bytes in the tree",
    );
  });

  it("boots 4 TiB on 31 bridges", () => {
    const bridges = Array.from({ length: 30 }, (_, i) => `-device spapr-pci-host-bridge,index=${i + 1}`);
    const { windows } = planOf(`-m 4096G ${bridges.join(" ")}`, { passThrough: false });
    expect(windows).toHaveLength(31);
  });
});

const deviceOf = ({ index: bridge }: { readonly index: number }) => ({
  model: "vfio-pci",
  id: undefined,
  bridge,
  bus: 0,
  slot: 0,
  functionNumber: 0,
});

describe("a plan of a recorded machine", () => {
  it.each([
    { name: "nvme-e1000-1g-linux61", own: [[30, 24]] },
    { name: "memory-hotplug-dimms-1536m-linux61", own: [[34, 24]] },
    { name: "nvdimm-window-2pow51-linux61", own: [[51, 24]] },
    { name: "pgsz-4k-only-linux61", own: [[29, 12]] },
    { name: "pgsz-256m-linux61", own: [[30, 28]] },
    { name: "ddw-off-nvme-e1000-linux61", own: [] },
    { name: "net-load-disable-ddw-e1000-linux61", own: [] },
    {
      name: "two-phbs-virtio-e1000-linux61",
      own: [
        [29, 24],
        [29, 24],
      ],
    },
    { name: "nvme-4g-parallel-io-linux612-timestamps", own: [] },
    { name: "default-1g-nvme-e1000-linux72", own: [] },
    { name: "memory-hotplug-dimm-nvme-e1000-linux72", own: [[32, 24]] },
    { name: "refused-window-nvdimm-nvme-e1000-linux72", own: [] },
  ])("has the windows that the real guest chose: $name", ({ name, own }) => {
    const machine = readMachine(JSON.stringify(readSidecar("traces", name)), name)!;
    const { windows } = planMachine(machine);
    const made = windows.filter(({ busOffset }) => busOffset !== 0n);
    expect(made.map(({ size, pageShift }) => [size.toString(2).length - 1, pageShift])).toEqual(own);
  });
});

describe("a guest's kernel log", () => {
  it("is explained: each window, why it was refused, and what helps", () => {
    const log = readSidecar("traces", "refused-window-nvdimm-nvme-e1000-linux72").guest_dmesg.join("\r\n");
    const { lines, notes } = explainDdwLog(log);
    expect(lines).toBe(4);
    expect(notes.map(({ severity, rules }) => [severity, ...rules])).toEqual([
      ["warning", "QEMU-CREATE-4"],
      ["warning", "QEMU-CREATE-4"],
      ["error", "LINUX-DDW-6", "LINUX-LIMIT-1"],
    ]);
  });

  it("has nothing to explain without such lines", () => {
    expect(explainDdwLog("[    0.0] Linux version 6.12\nfoo")).toEqual({ lines: 0, notes: [] });
  });
});
