/**
 * A small input for each kind of finding, of which docs/findings.md shows what `check` says.
 *
 * @module
 */

/** The default window of the first bridge: 1 GiB at 0, pages of 4 KiB. */
const NEW = "spapr_iommu_new_table liobn=0x80000000 table=0x1000 fd=-1";
const put = (ioba, tce, ret = 0) => `spapr_iommu_pci_put liobn=0x80000000 ioba=${ioba} tce=${tce} ret=${ret}`;
const xlate = (ioba, to, perm) =>
  `spapr_iommu_xlate liobn=0x80000000 ${ioba} -> ${to} perm=${perm} mask=0xfff`;

/** A second window of 16 pages of 64 KiB. */
const SECOND = "spapr_iommu_new_table liobn=0x80000001 table=0x1000 fd=-1";
const created = (start) =>
  `spapr_iommu_ddw_create buid=0x800000020000000 addr=0x0, page size=0x10000, requested=0x100000, start addr=${start}, liobn=0x80000001`;
const HIGH = "0x800000000000000";
const highPut = (page, tce) =>
  `spapr_iommu_pci_put liobn=0x80000001 ioba=0x8000000000${page}0000 tce=${tce} ret=0`;

const DEVICE = "0000:00:03.0";
const map = (address, size, direction, phys, attributes = "") =>
  `dma_map_page: ${DEVICE} dir=${direction} dma_addr=${address} size=${size} phys_addr=${phys} attrs=${attributes}`;
const unmap = (address, size, direction, attributes = "") =>
  `dma_unmap_page: ${DEVICE} dir=${direction} dma_addr=${address} size=${size} attrs=${attributes}`;
const syncForCpu = (address, size) =>
  `dma_sync_single_for_cpu: ${DEVICE} dir=FROM_DEVICE dma_addr=${address} size=${size}`;

/** By kind: the lines of a trace, and options of `check` that it needs. */
export const EXAMPLES = {
  leak: {
    lines: [NEW, SECOND, created(HIGH), highPut(3, "0x50003"), "spapr_iommu_ddw_remove liobn=0x80000001"],
  },
  "dma-fault": { lines: [NEW, xlate("0x1234", "0x0", 0)] },
  "dma-after-unmap": {
    lines: [NEW, put("0x1000", "0x2003"), put("0x1000", "0x0"), xlate("0x1000", "0x0", 0)],
  },
  "double-map": { lines: [NEW, put("0x1000", "0x2003"), put("0x1000", "0x2003")] },
  "unmap-unmapped": { lines: [NEW, put("0x1000", "0x2003"), put("0x1000", "0x0"), put("0x1000", "0x0")] },
  "replaced-live": { lines: [NEW, put("0x1000", "0x2003"), put("0x1000", "0x3003")] },
  "window-overlap": { lines: [NEW, SECOND, created("0x20000000")] },
  "window-full": {
    lines: [
      NEW,
      "spapr_iommu_pci_stuff liobn=0x80000000 ioba=0x40000000 tcevalue=0x5003 npages=262144 ret=0",
    ],
  },
  "direct-map-hole": {
    lines: [NEW, SECOND, created(HIGH), highPut(0, "0x3"), highPut(1, "0x10003"), put("0x1000", "0x52003")],
  },
  "beyond-ram": { lines: [NEW, put("0x1000", "0x10000003")], options: ["--ram", "256M"] },
  "refused-call": { lines: [NEW, put("0x40000000", "0x2003", -4)] },
  mismatch: { lines: [NEW, put("0x1000", "0x2003"), xlate("0x1000", "0x5000", 3)] },
  "map-failed": {
    lines: [
      "vfio_listener_region_add_ram region_add [ram] 0x0 - 0xbffff [0x7fa0c2400000]",
      "qemu-kvm: VFIO_MAP_DMA failed: Cannot allocate memory",
      "qemu-kvm: vfio_dma_map(0x55d0c1f2f000, 0x100000000, 0x380000000, 0x7fa182400000) = -12 (Cannot allocate memory)",
    ],
  },
  "size-mismatch": { lines: [map(1000, 4096, "TO_DEVICE", 5000), unmap(1000, 2048, "TO_DEVICE")] },
  "direction-mismatch": { lines: [map(1000, 4096, "TO_DEVICE", 5000), unmap(1000, 4096, "FROM_DEVICE")] },
  "double-unmap": {
    lines: [
      map(1000, 4096, "TO_DEVICE", 5000),
      unmap(1000, 4096, "TO_DEVICE"),
      unmap(1000, 4096, "TO_DEVICE"),
    ],
  },
  "missing-sync": {
    lines: [
      map(1000, 4096, "FROM_DEVICE", 5000),
      syncForCpu(1000, 4096),
      unmap(1000, 4096, "FROM_DEVICE", "SKIP_CPU_SYNC"),
      map(2000, 4096, "FROM_DEVICE", 6000),
      unmap(2000, 4096, "FROM_DEVICE", "SKIP_CPU_SYNC"),
    ],
  },
  "assumed-geometry": {
    lines: [
      NEW,
      put("0x20001000", "0x7003"),
      put("0x20002000", "0x9003"),
      xlate("0x1000", "0x7000", 3),
      xlate("0x2000", "0x9000", 3),
    ],
  },
  "inferred-contradicted": {
    lines: [
      NEW,
      "spapr_iommu_pci_indirect liobn=0x80000000 ioba=0x1000 tcelist=0x2460000 iobaN=0x3 tceN=0x203003 ret=0",
      xlate("0x2000", "0xbeef000", 3),
    ],
  },
  "io-fault": {
    lines: [
      `[    5.000000] ${map("1000", 4096, "FROM_DEVICE", "5000")}`,
      `[    5.001000] ${unmap("1000", 4096, "FROM_DEVICE")}`,
      "[    5.003000] DMAR: [DMA Write NO_PASID] Request device [00:03.0] fault addr 0x1010 [fault reason 0x05] PTE Write access is not set",
    ],
  },
  "never-unmapped": {
    lines: [1, 2, 3, 4].map((n) => `[    ${n}.000000] ${map(`${n}000`, 2048, "FROM_DEVICE", `${n + 4}000`)}`),
    options: ["--never-unmapped", "4"],
  },
  fragmented: {
    lines: [
      NEW,
      SECOND,
      created(HIGH),
      ...[0, 2, 4, 6, 8, "a", "c", "e"].map((page) => highPut(page, "0x50003")),
    ],
    options: ["--free-pages", "2"],
  },
  "cache-line-shared": {
    lines: [map("1000", 48, "FROM_DEVICE", "5000"), map("1030", 1448, "FROM_DEVICE", "5030")],
    options: ["--cache-line", "64"],
  },
  "beyond-mask": { lines: [map("100000000", 4096, "TO_DEVICE", "5000")], options: ["--dma-mask", "32"] },
  "lost-events": {
    lines: [
      map("10000", 64, "TO_DEVICE", "5000"),
      "CPU:1 [LOST 619 EVENTS]",
      unmap("10000", 64, "TO_DEVICE"),
    ],
  },
  truncated: { lines: [NEW, "spapr_iommu_pci_put liobn=0x8"], isCut: true },
};
