/**
 * Kinds of events of Linux' `dma:*` trace system, as numbers, and what each of them is: one table, which readers,
 * filters, tables and checks ask.
 *
 * @module
 */

/** Kinds that code asks for by name; their numbers are their places in {@link DMA_KINDS}. */
export const DMA_MAP_PAGE = 0;
export const DMA_MAP_RESOURCE = 2;
/**
 * Not an event of the kernel: here events of one CPU are missing.
 *
 * @public
 */
export const DMA_LOST = 20;

/** What a call does to a mapping. */
export type DmaRole = "map" | "unmap" | "sync-for-cpu" | "sync-for-device" | "none";

/** What is mapped: a call of one family does not undo a mapping of another. */
export const SINGLE = 0;
export const LIST = 1;
export const ALLOCATION = 2;

/** Fields that a line of an event prints; all of them print the device. */
export type DmaField =
  | "direction"
  | "dmaAddress"
  | "size"
  | "physAddress"
  | "attributes"
  | "error"
  /** Physical addresses of the entries of a list. */
  | "entries"
  /** DMA addresses and sizes of the ranges of a list. */
  | "ranges"
  | "truncated";

/** What one kind of event is. */
export interface DmaKind {
  readonly name: string;
  readonly role: DmaRole;
  /** {@link SINGLE}, {@link LIST} or {@link ALLOCATION}. */
  readonly family: number;
  /** Name of the calls that belong together: what one of them maps another one unmaps. */
  readonly calls: string;
  /** Does the event always say that a call failed? */
  readonly isError: boolean;
  /** Fields without which a line is damaged. */
  readonly needs: readonly DmaField[];
  /** Fields that a line can have besides; tools leave some out. */
  readonly may: readonly DmaField[];
}

const ADDRESS: readonly DmaField[] = ["dmaAddress", "size"];

function kind(
  [name, role, family, calls]: readonly [name: string, role: DmaRole, family: number, calls: string],
  needs: readonly DmaField[],
  may: readonly DmaField[],
): DmaKind {
  return { name, role, family, calls, isError: name.endsWith("_err"), needs, may };
}

const mapSingle = (name: string): DmaKind =>
  kind([name, "map", SINGLE, "single"], ["direction", ...ADDRESS, "physAddress"], ["attributes"]);
const unmapSingle = (name: string): DmaKind =>
  kind([name, "unmap", SINGLE, "single"], ["direction", ...ADDRESS], ["attributes"]);
const allocation = (name: string, role: DmaRole, calls: string): DmaKind =>
  kind([name, role, ALLOCATION, calls], ADDRESS, ["direction", "attributes"]);

/** Kinds by number. Kernels up to 6.17 say page and resource where later ones say phys. */
export const DMA_KINDS: readonly DmaKind[] = [
  mapSingle("dma_map_page"),
  mapSingle("dma_map_phys"),
  mapSingle("dma_map_resource"),
  kind(["dma_map_sg", "map", LIST, "list"], ["direction", "entries", "ranges"], ["attributes", "truncated"]),
  kind(["dma_map_sg_err", "none", LIST, "list"], [], ["direction", "entries", "error", "attributes"]),
  unmapSingle("dma_unmap_page"),
  unmapSingle("dma_unmap_phys"),
  unmapSingle("dma_unmap_resource"),
  kind(["dma_unmap_sg", "unmap", LIST, "list"], ["direction", "entries"], ["attributes"]),
  allocation("dma_alloc", "map", "alloc"),
  allocation("dma_alloc_pages", "map", "alloc-pages"),
  kind(
    ["dma_alloc_sgt", "map", ALLOCATION, "alloc-sgt"],
    [...ADDRESS, "entries"],
    ["direction", "attributes"],
  ),
  kind(["dma_alloc_sgt_err", "none", ALLOCATION, "alloc-sgt"], [], [...ADDRESS, "direction", "attributes"]),
  allocation("dma_free", "unmap", "alloc"),
  allocation("dma_free_pages", "unmap", "alloc-pages"),
  kind(["dma_free_sgt", "unmap", ALLOCATION, "alloc-sgt"], ADDRESS, ["direction", "entries"]),
  kind(["dma_sync_single_for_cpu", "sync-for-cpu", SINGLE, "single"], ADDRESS, ["direction"]),
  kind(["dma_sync_single_for_device", "sync-for-device", SINGLE, "single"], ADDRESS, ["direction"]),
  kind(["dma_sync_sg_for_cpu", "sync-for-cpu", LIST, "list"], ["ranges"], ["direction"]),
  kind(["dma_sync_sg_for_device", "sync-for-device", LIST, "list"], ["ranges"], ["direction"]),
];

/**
 * Names of the events by kind.
 *
 * @public
 */
export const DMA_EVENT_NAMES: readonly string[] = DMA_KINDS.map(({ name }) => name);

/** Which kinds have a trait, by number; {@link DMA_LOST} has none. */
export const kindsWith = (has: (kind: DmaKind) => boolean): readonly boolean[] => [
  ...DMA_KINDS.map(has),
  false,
];

/** Which kinds print a field, by number. */
export const kindsPrinting = (field: DmaField): readonly boolean[] =>
  kindsWith(({ needs, may }) => needs.includes(field) || may.includes(field));
