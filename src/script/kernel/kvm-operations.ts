import { type Answer, isErrno } from "../../base/errno.ts";
import { hex } from "../../base/u64.ts";
import type { GuestTable } from "../../kvm/guest-table.ts";
import type { KvmGroupFile } from "../../kvm/ports.ts";
import type { VirtualMachine } from "../../kvm/virtual-machine.ts";
import { H_TOO_HARD } from "../../spapr/accelerator.ts";
import { Hcall } from "../../spapr/papr.ts";
import { HcallRegisters } from "../../spapr/registers.ts";
import { kvmGroupFile } from "../../vfio/host/kvm-link.ts";
import { OpenFile } from "../../vfio/host/open-file.ts";
import type { OperationCall, Operations } from "./operation.ts";
import { GUEST_BASE, GUEST_SIZE } from "./program.ts";

const u32 = (value: bigint): number => Number(BigInt.asUintN(32, value));

/** Operations on the virtual machine, and hypercalls of its guest. */
export const KVM_OPERATIONS: Operations = {
  kvm_start: ({ program, out }) => {
    const answer = program.startMachine();
    if (isErrno(answer)) return answer;
    for (const cap of ["spapr_tce", "spapr_tce_64", "spapr_tce_vfio", "spapr_multitce"])
      out[`cap_${cap}`] = "0x1";
    return 0;
  },
  kvm_memslot: (call) =>
    withMachine(call, (machine) =>
      machine.slots.set({
        slot: u32(call.arg("slot")),
        address: call.arg("gpa"),
        size: call.arg("size"),
        vaddr: call.arg("vaddr"),
      }),
    ),
  kvm_create_tce: (call) =>
    withMachine(call, (machine) => {
      const shape = {
        liobn: call.arg("liobn"),
        pageShift: u32(call.arg("shift")),
        offset: call.arg("offset"),
        size: call.arg("size"),
      };
      return keepTable(call, machine, machine.createTable(shape, u32(call.arg("flags"))));
    }),
  kvm_create_tce32: (call) =>
    withMachine(call, (machine) =>
      keepTable(call, machine, machine.createTable32(call.arg("liobn"), u32(call.arg("size")))),
    ),
  kvm_close_tce: ({ program, arg }) => program.close(program.tables, arg("t")),
  kvm_table: ({ program, arg, out }) => {
    const table = program.table(arg("t"));
    if (table === undefined) return "EBADF";
    const value = table.read(Number(arg("idx")));
    if (value === undefined) return "EIO";
    out.val = hex(value);
    return 0;
  },
  kvm_table_write: ({ program, arg }) => {
    const table = program.table(arg("t"));
    if (table === undefined) return "EBADF";
    return table.write(Number(arg("idx")), arg("val")) ? 0 : "EIO";
  },
  kvm_list: ({ program, arg }) => {
    const at = BigInt.asUintN(64, arg("gpa") + 8n * arg("idx"));
    if (at > BigInt(GUEST_SIZE - 8)) return "EFAULT";
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, arg("val"));
    return program.process.memory.write(GUEST_BASE + Number(at), bytes) === 8 ? 0 : "EFAULT";
  },
  kvm_enable_hcall: (call) =>
    withMachine(call, (machine) => machine.enableHypercall(call.arg("nr"), call.arg("on"))),
  kvm_group_add: (call) => withGroup(call, (machine, group) => machine.addGroup(group)),
  kvm_group_del: (call) => withGroup(call, (machine, group) => machine.deleteGroup(group)),
  kvm_set_tce: (call) =>
    withGroup(call, (machine, group) => machine.attach(group, call.program.table(call.arg("t")))),

  h_put_tce: (call) => hypercall(call, Hcall.PUT_TCE, ["liobn", "ioba", "tce"]),
  h_get_tce: (call) => hypercall(call, Hcall.GET_TCE, ["liobn", "ioba"]),
  h_put_tce_indirect: (call) => hypercall(call, Hcall.PUT_TCE_INDIRECT, ["liobn", "ioba", "list", "npages"]),
  h_stuff_tce: (call) => hypercall(call, Hcall.STUFF_TCE, ["liobn", "ioba", "tce", "npages"]),
};

/** A virtual machine serves the address space that created it: EIO for a child. */
function withMachine(
  { program }: OperationCall,
  run: (machine: VirtualMachine) => Answer<number>,
): Answer<number> {
  const { machine, process } = program;
  if (machine === undefined) return "EBADF";
  return machine.process === process ? run(machine) : "EIO";
}

/** The VFIO device of KVM stays with the machine that could be started. */
function withGroup(
  { program, arg }: OperationCall,
  run: (machine: VirtualMachine, group: KvmGroupFile) => Answer<number>,
): Answer<number> {
  const { processor, process } = program;
  if (processor === undefined) return "EBADF";
  if (processor.process !== process) return "EIO";
  const file = program.groupFile(arg("g"));
  return file === undefined ? "EBADF" : run(processor, kvmGroupFile(file, process));
}

function keepTable(
  { program, arg }: OperationCall,
  machine: VirtualMachine,
  table: Answer<GuestTable>,
): Answer<number> {
  if (isErrno(table)) return table;
  program.open(program.tables, arg("t"), new OpenFile(table, () => machine.releaseTable(table)));
  return 0;
}

/** The guest executes a hypercall; `user` means that the kernel left it to user space. */
function hypercall(
  { program, arg, out }: OperationCall,
  number: number,
  names: readonly string[],
): Answer<number> {
  const { processor, process } = program;
  if (processor === undefined) return "ENODEV";
  if (processor.process !== process) return "EIO";
  const values = names.map(arg);
  program.writeMailbox([BigInt(number), ...values, 0n, 0n].slice(0, 5));
  const registers = new HcallRegisters();
  registers.load(BigInt(number), values);
  const status = processor.hypercall(registers.words);
  out.user = hex(status === H_TOO_HARD ? 1 : 0);
  if (status === H_TOO_HARD) return 0;
  out.r3 = hex(status);
  // What H_GET_TCE reads; a failed call leaves r4 as it was: the bus number.
  if (number === Hcall.GET_TCE) out.r4 = hex(registers.get(4));
  return 0;
}
