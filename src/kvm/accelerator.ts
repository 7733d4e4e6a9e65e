import { isErrno } from "../base/errno.ts";
import type { Accelerator, KernelTable, KernelTableShape } from "../spapr/accelerator.ts";
import { Hcall } from "../spapr/papr.ts";
import type { GuestTable } from "./guest-table.ts";
import type { VirtualMachine } from "./virtual-machine.ts";

/** KVM behind a machine: the kernel's handlers see each hypercall first, its tables are the windows' own. */
export class KvmAccelerator implements Accelerator {
  readonly vm: VirtualMachine;
  readonly tiesTables: boolean;
  readonly #tables = new Map<number, GuestTable>();
  #nextDescriptor = 100;

  /** @param tiesTables the host has KVM_CAP_SPAPR_TCE_VFIO; without it VFIO forces tables into user space */
  constructor(vm: VirtualMachine, tiesTables = true) {
    this.vm = vm;
    this.tiesTables = tiesTables;
    // QEMU enables the calls of several entries when the machine is made (KVM-TABLE-6).
    vm.enableHypercall(BigInt(Hcall.PUT_TCE_INDIRECT), 1n);
    vm.enableHypercall(BigInt(Hcall.STUFF_TCE), 1n);
  }

  hcall(regs: Uint32Array): number {
    return this.vm.hypercall(regs);
  }

  createTable(shape: KernelTableShape): KernelTable | null {
    const answer = this.vm.createTable({
      liobn: BigInt(shape.liobn),
      pageShift: shape.pageShift,
      offset: shape.busOffset >> BigInt(shape.pageShift),
      size: BigInt(shape.entries),
    });
    if (isErrno(answer)) return null;
    const fd = this.#nextDescriptor++;
    this.#tables.set(fd, answer);
    // The table may have more entries than the window: it ends with a page of the host.
    return { table: answer.entries, fd };
  }

  releaseTable(fd: number): void {
    const table = this.#tables.get(fd);
    if (table !== undefined) this.vm.releaseTable(table);
    this.#tables.delete(fd);
  }

  /** The table behind a descriptor. */
  table(fd: number): GuestTable | undefined {
    return this.#tables.get(fd);
  }
}
