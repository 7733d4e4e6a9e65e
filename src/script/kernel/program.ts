import type { Answer } from "../../base/errno.ts";
import type { KernelHeader } from "../../formats/kernel-script/script.ts";
import { GuestTable } from "../../kvm/guest-table.ts";
import type { KvmHazard } from "../../kvm/hypercalls.ts";
import { VirtualMachine } from "../../kvm/virtual-machine.ts";
import { Hcall } from "../../spapr/papr.ts";
import type { Host } from "../../vfio/host/host.ts";
import { PROT_READ } from "../../vfio/host/host-memory.ts";
import type { HostProcess } from "../../vfio/host/host-process.ts";
import { OpenFile } from "../../vfio/host/open-file.ts";
import { VfioContainer } from "../../vfio/host/vfio-container.ts";
import { VfioGroup } from "../../vfio/host/vfio-group.ts";

/** Slots of each kind; numbers count modulo this. */
const SLOTS = 8;
/** A slot without an open file. */
export const CLOSED = -1;

/** Where guest address 0 is in the process, and how much memory the guest has there. */
export const GUEST_BASE = 0x40_0000_0000;
export const GUEST_SIZE: number = 16 * 2 ** 20;
/** Where in the guest the recorder keeps its code, and the arguments of a hypercall. */
const GUEST_CODE = 0x10000;
const GUEST_MAILBOX = 0x11000;
/** Loads r3 to r7 from the mailbox, `sc 1`, keeps r3 and r4, `sc 1` with H_PUT_TERM_CHAR, stops. */
const CODE: readonly number[] = [
  0xe874_0000, 0xe894_0008, 0xe8b4_0010, 0xe8d4_0018, 0xe8f4_0020, 0x4400_0022, 0x7c7f_1b78, 0x7c9e_2378,
  0x3860_0058, 0x4400_0022, 0x4800_0000,
];

/** A device of the recorded process: its descriptor, and whether its registers are mapped. */
export interface DeviceSlot {
  descriptor: number;
  mapped: boolean;
}

/**
 * The recorded program: a process with numbered slots for containers, groups,
 * devices and KVM tables, and a virtual machine. A child has all of it, and an
 * address space of its own.
 */
export class Program {
  readonly host: Host;
  readonly process: HostProcess;
  readonly containers: number[] = new Array<number>(SLOTS).fill(CLOSED);
  readonly groups: number[] = new Array<number>(SLOTS).fill(CLOSED);
  readonly tables: number[] = new Array<number>(SLOTS).fill(CLOSED);
  readonly devices: DeviceSlot[] = Array.from({ length: SLOTS }, () => ({
    descriptor: CLOSED,
    mapped: false,
  }));
  /** The machine that ioctls go to. */
  machine: VirtualMachine | undefined;
  /** The machine that the processor belongs to: still the first one, when a second start fails. */
  processor: VirtualMachine | undefined;

  readonly #onHazard: (hazard: KvmHazard) => void;

  private constructor(host: Host, process: HostProcess, onHazard: (hazard: KvmHazard) => void) {
    this.host = host;
    this.process = process;
    this.#onHazard = onHazard;
  }

  /** Starts the program with the memory that a header describes. */
  static start(
    host: Host,
    { arenas, hole }: KernelHeader,
    onHazard: (hazard: KvmHazard) => void = () => {},
  ): Program {
    const process = host.startProcess();
    const options = { anon: {}, shm: { shared: true }, ro: { prot: PROT_READ }, huge: { pageShift: 24 } };
    for (const key of ["anon", "shm", "ro", "huge"] as const) {
      const { base, size, present } = arenas[key];
      if (present) process.memory.place(Number(base), Number(size), options[key]);
    }
    process.memory.munmap(hole.base, hole.size);
    return new Program(host, process, onHazard);
  }

  /** The child of a fork; it runs one operation, then {@link exit}s. */
  fork(): Program {
    const child = new Program(this.host, this.process.fork(), this.#onHazard);
    child.containers.splice(0, SLOTS, ...this.containers);
    child.groups.splice(0, SLOTS, ...this.groups);
    child.tables.splice(0, SLOTS, ...this.tables);
    child.devices.splice(0, SLOTS, ...this.devices.map((slot) => ({ ...slot })));
    child.machine = this.machine;
    child.processor = this.processor;
    return child;
  }

  /** The end of the process. */
  exit(): void {
    this.process.exit();
  }

  container(slot: bigint): VfioContainer | undefined {
    return this.process.file(this.containers[slotOf(slot)]!, VfioContainer)?.object;
  }

  groupFile(slot: bigint): OpenFile<VfioGroup> | undefined {
    return this.process.file(this.groups[slotOf(slot)]!, VfioGroup);
  }

  table(slot: bigint): GuestTable | undefined {
    return this.process.file(this.tables[slotOf(slot)]!, GuestTable)?.object;
  }

  /** Closes what a slot holds. */
  close(slots: number[], slot: bigint): Answer {
    const descriptor = slots[slotOf(slot)]!;
    slots[slotOf(slot)] = CLOSED;
    return this.process.close(descriptor) ? 0 : "EBADF";
  }

  /** Puts a new file into a slot. What was there stays open, out of reach. */
  open(slots: number[], slot: bigint, file: OpenFile): void {
    slots[slotOf(slot)] = this.process.install(file);
  }

  /** KVM_CREATE_VM, memory, a processor with all four hypercalls enabled. */
  startMachine(): Answer {
    const { memory } = this.process;
    const machine = new VirtualMachine({
      process: this.process,
      hostPageShift: this.host.pageShift,
      onHazard: this.#onHazard,
    });
    this.process.install(new OpenFile(machine, () => machine.release()));
    this.machine = machine;
    if (!memory.isFree(GUEST_BASE, GUEST_SIZE)) return "EEXIST";
    memory.place(GUEST_BASE, GUEST_SIZE);
    this.#store(GUEST_CODE, new Uint32Array(CODE));
    machine.slots.set({ slot: 0, address: 0n, size: BigInt(GUEST_SIZE), vaddr: BigInt(GUEST_BASE) });
    for (const call of [Hcall.GET_TCE, Hcall.PUT_TCE, Hcall.PUT_TCE_INDIRECT, Hcall.STUFF_TCE]) {
      machine.enableHypercall(BigInt(call), 1n);
    }
    this.processor = machine;
    return 0;
  }

  /** Leaves number and arguments of a hypercall where the guest takes them from. */
  writeMailbox(values: readonly bigint[]): void {
    this.#store(GUEST_MAILBOX, new BigUint64Array(values));
  }

  #store(address: number, words: Uint32Array | BigUint64Array): void {
    const bytes = new Uint8Array(words.byteLength);
    const view = new DataView(bytes.buffer);
    words.forEach((word: number | bigint, at: number) => {
      if (typeof word === "bigint") view.setBigUint64(at * 8, word, true);
      else view.setUint32(at * 4, word, true);
    });
    this.process.memory.write(GUEST_BASE + address, bytes);
  }
}

/** Slot numbers count modulo 8. */
export const slotOf = (slot: bigint): number => Number(slot % BigInt(SLOTS));
