import type { CheckOptions } from "../check-options.ts";

/**
 * `error`: something is wrong. `warning`: a leak, or something that deserves a look.
 *
 * @public
 */
export type Severity = "error" | "warning";

/**
 * What all findings of a kind have in common, in words. `docs/findings.md` is made of it.
 *
 * @public
 */
export interface FindingKindInfo {
  readonly severity: Severity;
  /** When a finding of the kind has the other severity; undefined if it never does. */
  readonly otherwise?: string;
  /** What is seen in the input. */
  readonly meaning: string;
  /** Which thresholds decide whether it is reported. */
  readonly thresholds: readonly (keyof CheckOptions)[];
  /** What else decides that. */
  readonly limits?: string;
  /** What a reader does about it. */
  readonly advice: string;
}

/**
 * What a finding is about. The names are part of the output's format.
 *
 * @public
 */
export type FindingKind =
  | "leak"
  | "dma-fault"
  | "dma-after-unmap"
  | "double-map"
  | "unmap-unmapped"
  | "replaced-live"
  | "window-overlap"
  | "window-full"
  | "direct-map-hole"
  | "beyond-ram"
  | "refused-call"
  | "mismatch"
  | "map-failed"
  | "size-mismatch"
  | "direction-mismatch"
  | "double-unmap"
  | "missing-sync"
  | "assumed-geometry"
  | "inferred-contradicted"
  | "io-fault"
  | "never-unmapped"
  | "fragmented"
  | "cache-line-shared"
  | "beyond-mask"
  | "lost-events"
  | "truncated";

/**
 * All kinds of findings.
 *
 * @public
 */
export const FINDING_KINDS: Readonly<Record<FindingKind, FindingKindInfo>> = {
  leak: {
    severity: "warning",
    meaning:
      "A mapping outlived its use. In a trace of QEMU: it was still there when its window was removed; or many mappings of the same window and permission were made before it and after it, and are gone; or its memory was mapped again while it stayed, and later mappings of as many pages are gone. In a recording of Linux: its driver gave back what it had had for long and most of what was mapped, or the kernel counts it when a driver goes (`pending DMA allocations`); or the mappings of its kind that were made before it and after it are gone; or its caller made other mistakes on the same device.",
    thresholds: ["overtaken", "pool", "outlived", "older", "goneAt"],
    limits:
      "A mapping that is merely alive at the end is no leak: drivers hold rings and buffers for as long as they run. Leaks of one pattern (device, direction, size, caller: the task and, where the recording has it, the call stack) are one finding. In a trace of QEMU a leaked mapping is also at least `older` times as old as any of its kind got. Entries of a window that maps memory directly are never leaks.",
    advice:
      "Look at the event that made the mapping: the driver that ran then forgets an unmap, often on an error path. `convert --table mappings` lists all mappings with their ends, `stat` shows how long others live.",
  },
  "dma-fault": {
    severity: "error",
    meaning:
      "A device accessed a page that no entry maps, and that was not mapped since its window was created or the trace began; or an address outside of the window.",
    thresholds: [],
    advice:
      "Compare the address with what the driver mapped (`map --at EVENT`): it wrote another address into the device than it got from the DMA API, or the device reads on past a buffer.",
  },
  "dma-after-unmap": {
    severity: "error",
    meaning:
      "A device accessed a page that had been mapped and was unmapped before. In a recording of Linux: memory is synced after it was unmapped.",
    thresholds: [],
    limits: "Of all windows together 2^20 past unmaps are remembered; after older ones it is a `dma-fault`.",
    advice:
      "The driver unmaps before the device is done. Look at the unmap that the finding names, and at what the driver waits for before it.",
  },
  "double-map": {
    severity: "warning",
    otherwise: "an error in a recording of Linux",
    meaning:
      "In a trace of QEMU: an entry is put where the same entry is already. In a recording of Linux: a device can write the same memory through two mappings.",
    thresholds: [],
    advice:
      "An unmap is missing, or a buffer is mapped twice. Two mappings of one buffer for writing are a mistake on machines whose caches are not coherent, and an overflow of one is not caught by the other.",
  },
  "unmap-unmapped": {
    severity: "error",
    meaning: "An unmap of a page that another unmap had cleared before, and that nobody mapped between.",
    thresholds: ["sweep"],
    limits: "What was never mapped may be cleared: drivers do that when they start.",
    advice:
      "Something is unmapped twice. If another driver gets the address between the two, its mapping goes: find the first of the two unmaps, and who else owns the buffer.",
  },
  "replaced-live": {
    severity: "error",
    meaning: "An entry that maps a page is replaced by one that maps another page, without an unmap between.",
    thresholds: [],
    advice:
      "An unmap is missing, or two users share an address. With VFIO the device may be left on the old page for a moment, and on some versions of QEMU for ever: `spapr-iommu run remap` shows it.",
  },
  "window-overlap": {
    severity: "error",
    meaning: "Two windows of one bridge share bus addresses.",
    thresholds: [],
    advice: "Which of them answers is chance. Look at the addresses with which the guest created them.",
  },
  "window-full": {
    severity: "warning",
    meaning:
      "A window is nearly full, and what is free lies in small pieces. In a recording of Linux: the kernel found no address for a mapping.",
    thresholds: ["fullAt", "freePages"],
    limits: "A window that maps memory directly is full by intention.",
    advice:
      "Larger maps fail, and drivers see I/O errors (`iommu_alloc failed`). Look for a leak first; then ask for a larger window, or for larger pages.",
  },
  "direct-map-hole": {
    severity: "warning",
    meaning:
      "A window maps memory directly, page by page, and leaves out memory that is in use: memory that another window of its bridge maps, or all of the guest's memory if its size is given.",
    thresholds: ["ram"],
    limits: "The first 100 holes of a window are reported.",
    advice:
      "DMA to what is left out goes through the slow window, or fails. It is memory that was plugged later, or lies beyond the window.",
  },
  "beyond-ram": {
    severity: "error",
    meaning: "An entry maps an address past the end of the guest's memory.",
    thresholds: ["ram"],
    limits:
      "Nothing is said without the size of memory; the check of an op script takes it from the script, that of a saved machine from its list of memory.",
    advice:
      "Check the size that was given first: memory of devices, such as that of a GPU, lies elsewhere. Otherwise the guest made a TCE of a wrong address, and DMA to it fails.",
  },
  "refused-call": {
    severity: "warning",
    meaning: "The hypervisor refused a call of the guest, as it has to.",
    thresholds: [],
    limits: "Calls of one window that are refused for one reason are one finding.",
    advice:
      "The message names what was wrong with the arguments. H_PARAMETER for an address outside of a window often follows its removal.",
  },
  mismatch: {
    severity: "error",
    otherwise:
      "a warning where a saved machine contradicts an entry that the trace does not print, but which others show",
    meaning:
      "A recorded answer, or a result in a script, is not what it must be by all that stands before. With `--against`: entries of a saved machine are not what the trace says. In a saved machine alone: sections contradict each other. In a log of QEMU with `vfio_*` events: a window of the host is not as the guest's, or the host was not told of pages that the guest mapped or unmapped. In a recording of Linux: something is undone by a call that does not belong to the one that made it.",
    thresholds: [],
    advice:
      "Make sure that the trace is whole: a lost line can look like this. Then somebody is wrong: the hypervisor, the trace, or spapr-iommu. `exec --explain` and `shrink` make a small script of it for real QEMU.",
  },
  "map-failed": {
    severity: "error",
    meaning:
      "In a log of QEMU: the host refused what QEMU asked it for, such as to map memory for a device, to make a window or to register memory; the message has QEMU's reason. Linux: a call of the DMA API failed, in a trace, or by the kernel's log (`iommu_alloc failed`, `swiotlb buffer is full`).",
    thresholds: [],
    limits:
      "The same failure again is the same finding. Linux: failed maps of a device's own registers are not reported, as some can never be mapped.",
    advice:
      "The device does not reach that memory. `Cannot allocate memory` is most often the limit of locked memory (`ulimit -l`, `spapr-iommu run memlock`); `No space left on device` the number of mappings of a container; `Invalid argument` a range that no window of the host has. In a recording of Linux it is an effect: look for a leak or for `never-unmapped` first, then at the largest pattern of live mappings, and at the size of the window or of bounce memory (`swiotlb=`).",
  },
  "size-mismatch": {
    severity: "error",
    meaning:
      "Linux: another size is unmapped or synced than was mapped, or a list is unmapped with another number of entries.",
    thresholds: [],
    advice: "Unmap with the values of the map. What is left over of a mapping is never given back.",
  },
  "direction-mismatch": {
    severity: "error",
    meaning: "Linux: a mapping is unmapped or synced in another direction than it was mapped in.",
    thresholds: [],
    advice:
      "Use one direction for the map, its syncs and its unmap. Where bounce buffers are in use, data is lost.",
  },
  "double-unmap": {
    severity: "error",
    meaning: "Linux: a mapping is undone for the second time.",
    thresholds: [],
    advice:
      "Look at the first of the two; between them the address may belong to another mapping, which then goes.",
  },
  "missing-sync": {
    severity: "warning",
    meaning:
      "Linux: a mapping was not synced where all others of the same device and direction were: before the CPU looks at it, or before the device gets it again.",
    thresholds: ["pool"],
    limits:
      "A sync that has nothing to do leaves no line, so a device must have shown one before anything is said of it.",
    advice:
      "On machines whose caches are not coherent, and with bounce buffers, old data is read. Look for the branch in which the driver forgets the sync.",
  },
  "assumed-geometry": {
    severity: "warning",
    meaning:
      "A trace of QEMU does not tell where a default or VIO window lies, and what it shows is not what is usual (bus address 0, 1 GiB for a bridge and 256 MiB for a VIO device, pages of 4 KiB): pages were mapped at one address and read at another offset, or calls beyond the usual end succeeded or were refused before it. What it does not show is assumed.",
    thresholds: [],
    limits:
      "A window that looks as usual is only counted among what was not judged. One that a trace creates, saves or loads is told; so is one that `--window`, `--machine` or `--against` tells.",
    advice:
      "Check the numbers in the message against the machine (`info mtree -f` in QEMU's monitor shows them), and give what is right with `--window` or `--machine`.",
  },
  "inferred-contradicted": {
    severity: "warning",
    meaning:
      "Of a list of TCEs a trace prints only the last one; the others are concluded from it, as if the list were linear. A translation or a read shows that one of them is another page.",
    thresholds: [],
    limits:
      "Contradictions of one list are one finding. A fault on such an entry is a `dma-fault`, which says so.",
    advice:
      "Do not trust what is said of the pages of this list: `map` marks entries that are concluded. Nothing is wrong with the guest if it maps scattered pages by lists.",
  },
  "io-fault": {
    severity: "error",
    meaning:
      "Linux: an IOMMU refused an access of a device. The trace or the kernel's log says so (`iommu:io_page_fault`, AMD-Vi, DMAR, SMMU, EEH). The finding names the mapping that had the address, has it, lies beside it, is another device's, or came later.",
    thresholds: [],
    limits:
      "Faults of one cause are one finding. The first 10,000 faults are looked into. Of each device 32,768 past unmaps or more are remembered.",
    advice:
      "After an unmap: the driver gives back memory before the device is done. Beside a mapping: it maps less than the device uses. A direction that does not allow it: the driver maps with the wrong one. Nothing mapped: a wrong address was written into the device.",
  },
  "never-unmapped": {
    severity: "warning",
    meaning:
      "In a recording of Linux: of all streaming mappings of a device, of a direction, or of a direction and size (where the recording has call stacks, also of a direction and caller), not one is ever unmapped, and more of them are made all the time. In a trace of QEMU: of what a window maps with one permission no more than one entry in a hundred is ever unmapped.",
    thresholds: ["neverUnmapped", "dmaMask", "overtaken"],
    limits:
      "A ring of buffers that is filled once is none: mappings must be made in each quarter of the events, and for a second or longer. In a trace of QEMU 16 pages count as one mapping.",
    advice:
      "The driver forgets the unmap on its usual path. The finding says how fast addresses are used up: without an IOMMU nobody notices, with one the window is full some day.",
  },
  fragmented: {
    severity: "warning",
    meaning: "More is free than is asked for, but in pieces that are all smaller.",
    thresholds: ["freePages"],
    limits:
      "In a recording of Linux a map must have failed, and only what lies between addresses that were used is known to be a window. A window of QEMU is looked at at the end.",
    advice:
      "Look at what is alive for long between mappings that come and go. Larger pages or a larger window (DDW), and allocations made once when the driver starts, help.",
  },
  "cache-line-shared": {
    severity: "warning",
    meaning:
      "Linux: two live mappings through which a device can write have bytes in one cache line; the kernel says so (`cacheline tracking EEXIST`), or the size of a line is given.",
    thresholds: ["cacheLine"],
    limits: "Pairs of one device are one finding. Without the size they are only counted.",
    advice:
      "Where caches are not coherent, the sync of one of them overwrites what the device wrote through the other. Align buffers to `dma_get_cache_alignment()`, or allocate them coherently.",
  },
  "beyond-mask": {
    severity: "error",
    meaning: "Linux: a mapping lies at addresses of more bits than the devices can use.",
    thresholds: ["dmaMask"],
    advice:
      "The driver asked for a larger mask than its device has (`dma_set_mask`): the upper bits are lost on the way, and the device uses other memory.",
  },
  "lost-events": {
    severity: "warning",
    meaning:
      "The tracer lost events: Linux says so where its buffer was full, QEMU where its thread was too slow.",
    thresholds: [],
    limits:
      "All places are one finding. Nothing is paired across them: what the lost events may explain is not reported.",
    advice: "Record again, with a larger buffer or fewer events.",
  },
  truncated: {
    severity: "warning",
    otherwise:
      "an error for a saved machine that is damaged before all its devices are there, which no QEMU loads then",
    meaning: "Something of the input is missing or cannot be read: its end, or lines in the middle.",
    thresholds: [],
    limits: "What the missing part may explain is not reported.",
    advice: "Record again, with a larger buffer or fewer events. Findings after a gap can be incomplete.",
  },
};
