import { isErrno } from "../base/errno.ts";
import {
  type Accelerator,
  H_TOO_HARD,
  type KernelTable,
  type KernelTableShape,
} from "../spapr/accelerator.ts";
import { Hcall, HStatus } from "../spapr/papr.ts";
import type { GuestTable } from "./guest-table.ts";
import type { VirtualMachine } from "./virtual-machine.ts";

// Where the arguments r4 to r7 lie: high half, the low one behind it.
const R4 = 2;
const R5 = 4;
const R6 = 6;
const R7 = 8;

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
    const opcode = regs[1]!;
    if (regs[0] !== 0 || !this.vm.isEnabled(opcode)) return H_TOO_HARD;
    const calls = this.vm.hypercalls;
    const liobnHi = regs[R4]!;
    const liobnLo = regs[R4 + 1]!;
    const iobaHi = regs[R5]!;
    const iobaLo = regs[R5 + 1]!;
    if (opcode === Hcall.PUT_TCE) {
      return calls.putTce(liobnHi, liobnLo, iobaHi, iobaLo, regs[R6]!, regs[R6 + 1]!);
    }
    if (opcode === Hcall.GET_TCE) {
      const status = calls.getTce(liobnHi, liobnLo, iobaHi, iobaLo);
      if (status === HStatus.SUCCESS) {
        regs[R4] = calls.hi;
        regs[R4 + 1] = calls.lo;
      }
      return status;
    }
    const r6Hi = regs[R6]!;
    const r6Lo = regs[R6 + 1]!;
    if (opcode === Hcall.PUT_TCE_INDIRECT) {
      return calls.putTceIndirect(liobnHi, liobnLo, iobaHi, iobaLo, r6Hi, r6Lo, regs[R7]!, regs[R7 + 1]!);
    }
    return calls.stuffTce(liobnHi, liobnLo, iobaHi, iobaLo, r6Hi, r6Lo, regs[R7]!, regs[R7 + 1]!);
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
