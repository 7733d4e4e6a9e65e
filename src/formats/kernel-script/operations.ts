/**
 * The operations of a recording of the host kernel, and their arguments.
 *
 * @module
 */

/** Arguments of one operation. */
interface Signature {
  readonly required: readonly string[];
  /** Those with a default, which is 0 where {@link DEFAULTS} has no other. */
  readonly optional?: readonly string[];
}

/** Every operation. Any of them may have `child`: it runs in a forked child then. */
export const OPERATIONS: Readonly<Record<string, Signature>> = {
  nop: { required: [] },
  open_container: { required: ["c"] },
  close_container: { required: ["c"] },
  open_group: { required: ["g"] },
  close_group: { required: ["g"] },
  group_status: { required: ["g"], optional: ["argsz"] },
  set_container: { required: ["g", "c"] },
  unset_container: { required: ["g"] },
  api_version: { required: ["c"] },
  check_extension: { required: ["c", "ext"] },
  set_iommu: { required: ["c", "type"] },
  enable: { required: ["c"] },
  disable: { required: ["c"] },
  get_info: { required: ["c"], optional: ["argsz", "null"] },
  register: { required: ["c", "vaddr", "size"], optional: ["flags", "argsz"] },
  unregister: { required: ["c", "vaddr", "size"], optional: ["flags", "argsz"] },
  create: { required: ["c", "shift", "size"], optional: ["levels", "flags", "argsz"] },
  remove: { required: ["c", "start"], optional: ["flags", "argsz"] },
  map: { required: ["c", "vaddr", "iova", "size"], optional: ["flags", "argsz"] },
  unmap: { required: ["c", "iova", "size"], optional: ["flags", "argsz"] },
  eeh: { required: ["c", "op"], optional: ["flags", "argsz"] },
  raw: { required: ["c", "cmd"] },
  rlimit: { required: [], optional: ["bytes"] },
  cap_ipc_lock: { required: [], optional: ["on"] },
  open_device: { required: ["g"] },
  close_device: { required: ["g"] },
  dma_read: { required: ["g", "iova"], optional: ["len"] },
  dma_write: { required: ["g", "iova"], optional: ["len"] },
  device_reg: { required: ["g", "reg"] },
  poke: { required: ["vaddr", "val"] },
  peek: { required: ["vaddr"] },
  fill: { required: ["vaddr", "size"] },
  mmap: { required: ["vaddr", "size"], optional: ["prot"] },
  munmap: { required: ["vaddr", "size"] },
  mprotect: { required: ["vaddr", "size"], optional: ["prot"] },
  kvm_start: { required: [] },
  kvm_memslot: { required: ["gpa", "size", "vaddr"], optional: ["slot"] },
  kvm_create_tce: { required: ["t", "liobn", "size"], optional: ["shift", "offset", "flags"] },
  kvm_create_tce32: { required: ["t", "liobn", "size"] },
  kvm_close_tce: { required: ["t"] },
  kvm_table: { required: ["t", "idx"] },
  kvm_table_write: { required: ["t", "idx", "val"] },
  kvm_list: { required: ["gpa", "idx", "val"] },
  kvm_enable_hcall: { required: ["nr"], optional: ["on"] },
  kvm_group_add: { required: ["g"] },
  kvm_group_del: { required: ["g"] },
  kvm_set_tce: { required: ["g", "t"] },
  h_put_tce: { required: ["liobn", "ioba", "tce"] },
  h_get_tce: { required: ["liobn", "ioba"] },
  h_put_tce_indirect: { required: ["liobn", "ioba", "list", "npages"] },
  h_stuff_tce: { required: ["liobn", "ioba", "tce", "npages"] },
};

/** Arguments by name. */
export type Arguments = Readonly<Record<string, bigint>>;

/** Defaults that are not 0, for all operations but the ones of {@link OWN_DEFAULTS}. */
const DEFAULTS: Arguments = {
  levels: 1n,
  on: 1n,
  len: 8n,
  prot: 3n,
  slot: 1n,
  bytes: (1n << 64n) - 1n,
};

/** Defaults of single operations: sizes of their structures, directions, page shifts. */
const OWN_DEFAULTS: Readonly<Record<string, Arguments>> = {
  group_status: { argsz: 8n },
  get_info: { argsz: 32n },
  register: { argsz: 24n },
  unregister: { argsz: 24n },
  create: { argsz: 40n },
  remove: { argsz: 16n },
  map: { argsz: 32n, flags: 3n },
  unmap: { argsz: 24n },
  eeh: { argsz: 40n },
  kvm_create_tce: { shift: 12n },
};

/** The value of an argument, or its default. */
export const argument = (op: string, args: Arguments, name: string): bigint =>
  args[name] ?? OWN_DEFAULTS[op]?.[name] ?? DEFAULTS[name] ?? 0n;
