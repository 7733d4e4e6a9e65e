/** A recording that the page has beside it. */
export interface Example {
  /** Its name beside the page. */
  readonly file: string;
  /** Where it lies in the project, below `test`. */
  readonly source: string;
  readonly title: string;
  /** What it shows, in one line. */
  readonly shows: string;
}

/** The recordings that the first screen offers. All are of real systems. */
export const EXAMPLES: readonly Example[] = [
  {
    file: "stray-dma.log.gz",
    source: "corpus/traces/faults-stray-dma-e1000-nvme-linux61.log.gz",
    title: "Stray DMA",
    shows: "QEMU log: a guest that makes its card reach where nothing is mapped; each fault and why",
  },
  {
    file: "planted.txt.gz",
    source: "corpus/traces/dma-ppc64le-linux612-planted.txt.gz",
    title: "A driver with mistakes",
    shows:
      "Linux dma:* events on POWER: leaks, double unmaps, wrong sizes and directions, planted one by one",
  },
  {
    file: "lsi-times-out.log.gz",
    source: "corpus/traces/lsi-that-times-out-linux612.log.gz",
    title: "A disk adapter that times out",
    shows: "QEMU log: a real driver unmaps one page three times",
  },
  {
    file: "never-unmapped.log.gz",
    source: "corpus/traces/default-1g-nvme-e1000-linux72.log.gz",
    title: "Never unmapped",
    shows:
      "QEMU log: Linux 7.2 is refused a window, and clears nothing of what its disk maps in the default one",
  },
  {
    file: "boot.log.gz",
    source: "corpus/traces/nvme-e1000-1g-linux61.log.gz",
    title: "A guest boots",
    shows: "QEMU log: NVMe and e1000 find their windows; disk and network traffic; nothing is wrong",
  },
  {
    file: "rebind-hotplug.log.gz",
    source: "corpus/traces/driver-rebind-phb-hotplug-linux61.log.gz",
    title: "Windows come and go",
    shows: "QEMU log: drivers are rebound and a bridge is plugged; windows are created and removed",
  },
  {
    file: "nvme-parallel.log.gz",
    source: "corpus/traces/nvme-4g-parallel-io-linux612-timestamps.log.gz",
    title: "Parallel disk traffic",
    shows:
      "QEMU log with times: seven jobs at a time read and write two disks, all through the default window",
  },
  {
    file: "vt-d-planted.txt.gz",
    source: "corpus/traces/dma-x86-linux612-vtd-strict-planted.txt.gz",
    title: "An x86 machine",
    shows: "Linux dma:* events with an Intel IOMMU: the same mistakes, other addresses",
  },
  {
    file: "saved.mig.gz",
    source: "corpus/migration/pgsz-256m-linux61--pgsz-256m.mig.gz",
    title: "A saved machine",
    shows: "Migration stream: the windows of one instant",
  },
  {
    file: "script.jsonl",
    source: "cases/readme-script.jsonl",
    title: "An op script",
    shows: "Hypercalls run on the engine, one step at a time",
  },
];
