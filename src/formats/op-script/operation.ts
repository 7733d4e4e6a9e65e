/**
 * What an operation does. 64-bit values are bigints; everything is checked.
 *
 * @public
 */
export type Operation =
  | { readonly op: "h_put_tce"; readonly liobn: bigint; readonly ioba: bigint; readonly tce: bigint }
  | { readonly op: "h_get_tce"; readonly liobn: bigint; readonly ioba: bigint }
  | {
      readonly op: "h_put_tce_indirect";
      readonly liobn: bigint;
      readonly ioba: bigint;
      readonly listAddr: bigint;
      /** Written to memory before the call; undefined: whatever is there. */
      readonly list: readonly bigint[] | undefined;
      readonly npages: bigint;
    }
  | {
      readonly op: "h_stuff_tce";
      readonly liobn: bigint;
      readonly ioba: bigint;
      readonly tce: bigint;
      readonly npages: bigint;
    }
  | {
      readonly op: "get_tce_scan";
      readonly liobn: bigint;
      readonly ioba: bigint;
      readonly step: bigint;
      readonly count: number;
    }
  | { readonly op: "hcall"; readonly opcode: bigint; readonly args: readonly bigint[]; readonly nout: number }
  | {
      readonly op: "rtas";
      readonly token: number;
      readonly args: readonly number[];
      readonly nargs: number;
      readonly nret: number;
    }
  | { readonly op: "write_mem"; readonly addr: bigint; readonly data: Uint8Array }
  | { readonly op: "fill_mem"; readonly addr: bigint; readonly len: number; readonly value: bigint }
  | { readonly op: "read_mem"; readonly addr: bigint; readonly len: number }
  | { readonly op: "system_reset" }
  | { readonly op: "fdt_prop"; readonly path: string; readonly prop: string }
  | { readonly op: "dma_read"; readonly phb: number; readonly iova: bigint; readonly len: number }
  | { readonly op: "dma_write"; readonly phb: number; readonly iova: bigint; readonly data: Uint8Array }
  | {
      readonly op: "bench";
      readonly opcode: bigint;
      readonly args: readonly bigint[];
      readonly count: number;
      readonly step: bigint;
      readonly wrap: bigint;
      readonly step2: bigint;
    }
  | {
      readonly op: "device_add";
      readonly id: string;
      readonly phb: number;
      /** PCI slot on the bridge. */
      readonly slot: number;
      /** The device refuses mappings that overlap and unmaps that cut or find nothing. */
      readonly strict: boolean;
    }
  | { readonly op: "device_del"; readonly id: string }
  | { readonly op: "vfio_dma_read"; readonly dev: string; readonly iova: bigint; readonly len: number }
  | { readonly op: "vfio_dma_write"; readonly dev: string; readonly iova: bigint; readonly data: Uint8Array }
  | { readonly op: "note" };
