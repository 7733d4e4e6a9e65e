import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { recordedFile } from "../formats/migration/sources.ts";
import { gunzip } from "../helpers/gunzip.ts";
import { scratchFolder } from "../helpers/scratch.ts";

export const TESTS = path.resolve(import.meta.dirname, "..");
export const trace = (name: string): string => path.join(TESTS, "corpus/traces", name);
const script = (name: string): string => path.join(TESTS, "corpus/hcall", `${name}.jsonl.gz`);
export const testCase = (name: string): string => path.join(TESTS, "cases", name);

export const BOOT = trace("pgsz-256m-linux61.log.gz");
export const FAULTS = trace("faults-stray-dma-e1000-nvme-linux61.log.gz");
const HOTPLUG = trace("memory-hotplug-dimms-1536m-linux61.log.gz");
export const PLANTED = trace("dma-ppc64le-linux612-planted.txt.gz");
const LISTS = trace("dma-ppc64le-linux612-biglist-planted.txt.gz");
const REBOOT = trace("reboot-twice-nvme-e1000-linux61.log.gz");
const STACKS = trace("dma-x86-linux612-vtd-trace-cmd-report-stacks.txt.gz");

export const folder = scratchFolder();
export const written = (name: string, text: string | Uint8Array): string => {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
};
export const SAVED = recordedFile(folder, "pgsz-256m-linux61--pgsz-256m");
/** Not packed: verbs go past the memory in it. */
const qemuFile = (name: string): string =>
  written(name, gunzip(readFileSync(path.join(TESTS, "corpus/qemu-files", `${name}.gz`))));
export const DEVICES = written(
  "lspci.txt",
  "00:03.0 Non-Volatile memory controller: Red Hat, Inc. QEMU NVM Express Controller (rev 02)\n\tKernel driver in use: nvme\n",
);
export const PUT = '{"op":"h_put_tce","liobn":"0x80000000","ioba":"0x1000","tce":"0x2003"';
const DIFFERS = written("differs.jsonl", `{"header":1}\n${PUT},"result":{"ret":-4}}\n${PUT}}\n`);
/** The size of a page is learned at its end. */
const LEARNED = written(
  "learned.log",
  `${"spapr_iommu_pci_put liobn=0x80000100 ioba=0x10000 tce=0x50003 ret=0\n".repeat(2)}spapr_iommu_pre_save liobn=80000100 4000 bus_offset=0x0 ps=16\n`,
);
const DEVICE_SCRIPT = written(
  "device.jsonl",
  `{"header":1}\n{"op":"vfio_user_read","region":0,"offset":"0x0","len":4}\n`,
);
const LONG_READ = written(
  "long-read.jsonl",
  `{"header":1}\n{"op":"vfio_user_read","region":0,"offset":"0x0","len":16}\n{"op":"vfio_user_reset"}\n`,
);
type Calls = Readonly<Record<string, readonly (readonly string[])[]>>;

/** Calls of the other verbs; together they show all that their schemas name. */
export const CALLS: Calls = {
  shrink: [["--finding", "1", FAULTS]],
  info: [
    [PLANTED],
    [qemuFile("libvirt9-save-xz.img")],
    [qemuFile("savevm-11.1.qcow2")],
    ["--migration", BOOT],
  ],
  map: [["--raw", BOOT], [BOOT], [LISTS], [script("huge")]],
  diff: [
    [`${BOOT}@500`, `${BOOT}@1200`],
    [HOTPLUG, SAVED],
    [`${LEARNED}@1`, LEARNED],
    [`${LISTS}@20`, `${LISTS}@200`],
  ],
  who: [
    [FAULTS, "0x1000"],
    ["--physical", PLANTED, "0x1000+1G"],
    [LISTS, "0x0+4G"],
    ["--devices", DEVICES, STACKS, "0xfffff000"],
  ],
  alive: [[LISTS], [SAVED], ["--devices", DEVICES, STACKS]],
  stat: [[BOOT], [PLANTED], ["--by", "stack", STACKS]],
  plan: [
    [testCase("machines/domain.xml"), "--kernel", "6.1"],
    [written("machine", "qemu-system-ppc64 -nodefaults -m 1G"), "--kernel", "7.2", "--pass-through"],
    ["--from", testCase("32-ddw.dmesg")],
  ],
  device: [
    ["--sample"],
    ["--sample", "--script", DEVICE_SCRIPT],
    ["--sample", "--fuzz", "--runs", "2"],
    ["--sample", "--fuzz", "--mistake", "short-reply"],
    ["--sample", "--mistake", "short-reply", "--script", LONG_READ],
  ],
  run: [["remap"], ["--list"], ["lazy-replay"], ["reassigned-device"]],
  exec: [
    [script("dma")],
    ["--check", script("dma"), DIFFERS],
    ["--check", script("host-shift-64")],
    [script("host-shift-64")],
  ],
};

/** Calls that show the same of other inputs, for the long run. */
export const MORE_CALLS: Calls = {
  info: [[BOOT], [SAVED], [testCase("21-vfio-listener.log")]],
  map: [
    [SAVED],
    ["--at", "20", testCase("612-two-buffers-report.txt.gz")],
    [testCase("inferred-contradicted.log")],
    [FAULTS],
  ],
  diff: [
    [`${HOTPLUG}@0`, HOTPLUG],
    [`${REBOOT}@900`, REBOOT],
  ],
  who: [
    [testCase("03-ring-writeback-fault.txt"), "0xfec3a010"],
    [BOOT, "0x0-0xffffffff"],
  ],
  alive: [[BOOT], [PLANTED], ["--by", "comm", PLANTED], ["--at", "100", LISTS], ["--by", "stack", STACKS]],
  stat: [[testCase("first-event-behind-64k.txt.gz")], [testCase("24-clear-one-by-one.log")]],
  exec: [[DIFFERS]],
};
