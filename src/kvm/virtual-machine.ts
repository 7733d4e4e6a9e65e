/**
 * What the kernel keeps for a virtual machine: its tables (KVM-TABLE-1,
 * KVM-TABLE-2), which calls it handles (KVM-TABLE-6), and the tables of VFIO
 * groups that follow them (KVM-ATTACH-1 to KVM-ATTACH-3).
 *
 * @module
 */

import type { Answer } from "../base/errno.ts";
import { hiOf, loOf } from "../base/u64.ts";
import { H_TOO_HARD } from "../spapr/accelerator.ts";
import { Hcall } from "../spapr/papr.ts";
import { descriptorBytes, GuestTable, type GuestTableShape, pagesOfTable } from "./guest-table.ts";
import { GuestTables } from "./guest-tables.ts";
import { type KvmHazard, TceHypercalls } from "./hypercalls.ts";
import { MemorySlots } from "./memory-slots.ts";
import type { KvmGroupFile, KvmProcess } from "./ports.ts";

/** Page shifts that KVM_CREATE_SPAPR_TCE_64 takes, PAPR's or not. */
const MIN_PAGE_SHIFT = 12;
const MAX_PAGE_SHIFT = 34;
/** The largest contiguous allocation of the kernel. */
const MAX_ALLOCATION = 2 ** 24;
/** Pages of the older KVM_CREATE_SPAPR_TCE. */
const OLD_PAGE_SHIFT = 12;
// V8 folds a constant of the module itself, but loads an imported one each time.
const { PUT_TCE } = Hcall;
const U64_MASK: bigint = (1n << 64n) - 1n;

/** The hypercalls that the handlers know. */
const TCE_CALLS: readonly number[] = [Hcall.GET_TCE, Hcall.PUT_TCE, Hcall.PUT_TCE_INDIRECT, Hcall.STUFF_TCE];
/** Enabled from the start; the other two need KVM_CAP_PPC_ENABLE_HCALL. */
const DEFAULT_CALLS: readonly number[] = [Hcall.GET_TCE, Hcall.PUT_TCE];

/** How a virtual machine is made. */
export interface VirtualMachineOptions {
  readonly process: KvmProcess;
  /** log2 of the host's page size. */
  readonly hostPageShift: number;
  readonly onHazard?: (hazard: KvmHazard) => void;
}

/** The part of a KVM virtual machine that concerns DMA: memory slots, TCE tables, hypercalls, VFIO groups. */
export class VirtualMachine {
  readonly process: KvmProcess;
  readonly slots: MemorySlots;
  readonly #hostPageShift: number;
  /** Is the hypercall of a number enabled? By number / 4; 1 if it is. */
  readonly #enabled = new Uint8Array(Math.max(...TCE_CALLS) / 4 + 1);
  // What most calls come by is no private name: those make bytecode longer (see TceTable).
  /** The number of H_PUT_TCE if it is enabled, else one that no hypercall has. */
  protected putNumber = -1;
  protected readonly hypercalls: TceHypercalls;
  readonly #tables = new GuestTables();
  readonly #groups: KvmGroupFile[] = [];

  constructor(options: VirtualMachineOptions) {
    this.process = options.process;
    this.#hostPageShift = options.hostPageShift;
    this.slots = new MemorySlots(options.hostPageShift);
    for (const number of DEFAULT_CALLS) this.#enable(number, 1);
    this.hypercalls = new TceHypercalls({
      process: options.process,
      slots: this.slots,
      tables: this.#tables,
      onHazard: options.onHazard ?? (() => {}),
    });
  }

  /** KVM_CAP_PPC_ENABLE_HCALL, for the hypercalls that we have. */
  enableHypercall(number: bigint, on: bigint): Answer {
    if (!TCE_CALLS.includes(Number(number)) || on > 1n) return "EINVAL";
    this.#enable(Number(number), Number(on));
    return 0;
  }

  #enable(number: number, on: number): void {
    this.#enabled[number / 4] = on;
    this.putNumber = this.#enabled[PUT_TCE / 4] === 1 ? PUT_TCE : -1;
  }

  /**
   * The guest executes a hypercall: `regs` are r3 to r12 in halves, which hold
   * the results afterwards.
   *
   * @returns the status; H_TOO_HARD for what the kernel leaves to user space
   */
  hypercall(regs: Uint32Array): number {
    // Alone, so that what most calls run is short: V8 makes one function of it then.
    return regs[1] === this.putNumber && regs[0] === 0
      ? this.hypercalls.put(regs)
      : this.hypercallOther(regs);
  }

  protected hypercallOther(regs: Uint32Array): number {
    const number = regs[1]!;
    if (regs[0] !== 0 || (number & 3) !== 0 || this.#enabled[number >>> 2] !== 1) return H_TOO_HARD;
    return this.hypercalls.callOther(regs);
  }

  /** KVM_CREATE_SPAPR_TCE_64. The account is checked before the bus number. */
  createTable(shape: GuestTableShape, flags = 0): Answer<GuestTable> {
    const { pageShift, offset, size } = shape;
    if (flags !== 0 || size === 0n) return "EINVAL";
    if (pageShift < MIN_PAGE_SHIFT || pageShift > MAX_PAGE_SHIFT) return "EINVAL";
    // The sum is one of 64 bits: it may wrap around and pass.
    if (((offset + size) & U64_MASK) > U64_MASK >> BigInt(pageShift)) return "EINVAL";

    const pages = pagesOfTable(Number(size), this.#hostPageShift);
    const descriptor = descriptorBytes(pages);
    const chargedPages = pages + Math.ceil(descriptor / 2 ** this.#hostPageShift);
    if (!this.process.charge(chargedPages)) return "ENOMEM";
    const errno =
      descriptor > MAX_ALLOCATION
        ? "ENOMEM"
        : this.#tables.find(hiOf(shape.liobn), loOf(shape.liobn)) !== undefined
          ? "EBUSY"
          : undefined;
    if (errno !== undefined) {
      this.process.uncharge(chargedPages);
      return errno;
    }
    const table = new GuestTable(shape, this.#hostPageShift);
    this.#tables.add(table);
    return table;
  }

  /** KVM_CREATE_SPAPR_TCE: a window at 0 of 4 KiB pages, its size in bytes. */
  createTable32(liobn: bigint, windowSize: number): Answer<GuestTable> {
    const size = BigInt(windowSize >>> OLD_PAGE_SHIFT);
    return this.createTable({ liobn, pageShift: OLD_PAGE_SHIFT, offset: 0n, size });
  }

  /** The last user of a table's file has closed it. Tables of the host keep their entries. */
  releaseTable(table: GuestTable): void {
    this.#tables.remove(table);
    this.process.uncharge(table.chargedPages);
  }

  /** KVM_DEV_VFIO_GROUP_ADD. */
  addGroup(group: KvmGroupFile): Answer {
    if (this.#groups.includes(group)) return "EEXIST";
    group.retain();
    this.#groups.push(group);
    return 0;
  }

  /** KVM_DEV_VFIO_GROUP_DEL: tables of windows that are gone already stay attached. */
  deleteGroup(group: KvmGroupFile): Answer {
    const at = this.#groups.indexOf(group);
    if (at < 0) return "ENOENT";
    const left = group.tables();
    for (const table of this.#tables.all) for (const { identity } of left) table.detach(identity);
    this.#groups.splice(at, 1);
    group.release();
    return 0;
  }

  /**
   * KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE: from now on the group's table for the
   * same window follows the guest's. What the guest has put before is not
   * copied.
   *
   * @param table undefined: a descriptor that stands for nothing
   */
  attach(group: KvmGroupFile, table: GuestTable | undefined): Answer {
    if (!this.#groups.includes(group)) return "ENOENT";
    if (table === undefined) return "EBADF";
    if (!this.#tables.all.includes(table)) return "EINVAL";
    const bytes = table.shape.size << BigInt(table.shape.pageShift);
    const host = group
      .tables()
      .find(
        (candidate) =>
          candidate.pageShift <= table.shape.pageShift &&
          candidate.start === table.start &&
          BigInt(candidate.length) << BigInt(candidate.pageShift) >= bytes,
      );
    if (host === undefined) return "EINVAL";
    table.attach(host);
    return 0;
  }

  /** The machine ends: it lets its groups go. */
  release(): void {
    for (const group of [...this.#groups]) this.deleteGroup(group);
  }
}
