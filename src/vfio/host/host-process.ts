import type { HostMemory } from "./host-memory.ts";
import type { OpenFile } from "./open-file.ts";

/** RLIMIT_MEMLOCK of a process that has not changed it: Linux gives 8 MiB. */
const DEFAULT_LOCK_LIMIT: bigint = 8n << 20n;

/** A process: an address space, open files, and how much memory it may lock. */
export class HostProcess {
  readonly memory: HostMemory;
  /** RLIMIT_MEMLOCK in bytes. */
  lockLimit: bigint = DEFAULT_LOCK_LIMIT;
  /** CAP_IPC_LOCK: the limit does not hold. */
  mayLockAll = true;
  readonly #files = new Map<number, OpenFile>();
  #nextDescriptor = 3;

  constructor(memory: HostMemory) {
    this.memory = memory;
  }

  /** Charges pages to the account of locked memory; refused beyond the limit, unless there are none to charge. */
  charge(pages: number): boolean {
    if (pages === 0) return true;
    const total = this.memory.lockedPages + pages;
    if (!this.mayLockAll && BigInt(total) > this.lockLimit / BigInt(this.memory.pageSize)) return false;
    this.memory.lockedPages = total;
    return true;
  }

  /** Takes pages from the account of locked memory. */
  uncharge(pages: number): void {
    this.memory.uncharge(pages);
  }

  /** Gives a file a descriptor. */
  install(file: OpenFile): number {
    const descriptor = this.#nextDescriptor++;
    this.#files.set(descriptor, file);
    return descriptor;
  }

  /** The open file behind a descriptor, if it stands for an object of the class. */
  file<T extends object>(
    descriptor: number,
    type: abstract new (...args: never[]) => T,
  ): OpenFile<T> | undefined {
    const file = this.#files.get(descriptor);
    return file?.object instanceof type ? (file as OpenFile<T>) : undefined;
  }

  /** Closes a descriptor; false if there is none. */
  close(descriptor: number): boolean {
    const file = this.#files.get(descriptor);
    this.#files.delete(descriptor);
    file?.release();
    return file !== undefined;
  }

  /** A child with an address space of its own and the same open files. */
  fork(): HostProcess {
    const child = new HostProcess(this.memory.fork());
    child.lockLimit = this.lockLimit;
    child.mayLockAll = this.mayLockAll;
    child.#nextDescriptor = this.#nextDescriptor;
    for (const [descriptor, file] of this.#files) {
      file.retain();
      child.#files.set(descriptor, file);
    }
    return child;
  }

  /** Closes all files. What others still hold of the address space stays. */
  exit(): void {
    for (const descriptor of [...this.#files.keys()]) this.close(descriptor);
  }

  /** Reads 64-bit big-endian values: the high and the low half of each. Answers how many could be read. */
  loadBigEndian(vaddr: number, words: Uint32Array, count: number): number {
    const bytes = new Uint8Array(count * 8);
    const read = Math.floor(this.memory.read(vaddr, bytes) / 8);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < read * 2; at++) words[at] = view.getUint32(at * 4);
    return read;
  }
}
