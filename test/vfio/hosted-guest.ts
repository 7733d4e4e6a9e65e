import { hiOf, loOf } from "../../src/base/u64.ts";
import { cells } from "../../src/guest/guest-calls.ts";
import { Hcall, RtasToken } from "../../src/spapr/papr.ts";
import { Coherence, type Incoherence } from "../../src/vfio/coherence.ts";
import { HostedMachine, type HostedMachineConfig } from "../../src/vfio/hosted-machine.ts";
import type { PassedThroughDevice } from "../../src/vfio/passed-through-device.ts";

/** LIOBNs of the windows of bridge 0. */
export const WIN0 = 0x8000_0000;
export const WIN1 = 0x8000_0001;
/** Start of the second window. */
export const HIGH = 1n << 59n;
/** Permission bits of a TCE. */
export const RW = 3n;
const LIST_AT = 0x20_0000n;

/** Messages that tell of what the guest wrote, not of something that failed. */
const GUESTS_FAULT = /^iommu (map to non memory|has granularity)/;

/** A guest on a machine with a host, and everything it is told of. */
export class HostedGuest {
  readonly hosted: HostedMachine;
  readonly hazards: string[] = [];
  readonly #coherence: Coherence;

  constructor(config: HostedMachineConfig = {}) {
    this.hosted = new HostedMachine({ coherence: true, ...config });
    this.hosted.machine.observer.hazard = ({ what }) => this.hazards.push(what);
    this.#coherence = new Coherence(this.hosted);
  }

  /** Messages of operations that failed. */
  get failures(): string[] {
    return this.hosted.messages.filter((message) => !GUESTS_FAULT.test(message));
  }

  put(liobn: number, ioba: bigint, tce: bigint): number {
    return this.hosted.machine.call(Hcall.PUT_TCE, liobn, ioba, tce).status;
  }

  /** The entry, or the status if there is none. */
  get(liobn: number, ioba: bigint): bigint | number {
    const { status, registers } = this.hosted.machine.call(Hcall.GET_TCE, liobn, ioba);
    return status === 0 ? registers.get(4) : status;
  }

  stuff(liobn: number, ioba: bigint, tce: bigint, pages: number): number {
    return this.hosted.machine.call(Hcall.STUFF_TCE, liobn, ioba, tce, pages).status;
  }

  indirect(liobn: number, ioba: bigint, list: readonly bigint[]): number {
    const bytes = new DataView(new ArrayBuffer(list.length * 8));
    list.forEach((tce, i) => {
      bytes.setUint32(i * 8, hiOf(tce));
      bytes.setUint32(i * 8 + 4, loOf(tce));
    });
    this.hosted.machine.systemMemory.write(LIST_AT, new Uint8Array(bytes.buffer), null);
    return this.hosted.machine.call(Hcall.PUT_TCE_INDIRECT, liobn, ioba, LIST_AT, list.length).status;
  }

  /** ibm,create-pe-dma-window: status, LIOBN, start. */
  create(pageShift: number, windowShift: number, phb = 0): { status: number; liobn: number; start: bigint } {
    const args = [0, ...cells(this.hosted.machine.phb(phb).buid), pageShift, windowShift];
    const [status, liobn, hi, lo] = this.hosted.machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, args, 4);
    return { status: status!, liobn: liobn!, start: (BigInt(hi!) << 32n) | BigInt(lo!) };
  }

  /** ibm,remove-pe-dma-window. */
  remove(liobn: number): number {
    return this.hosted.machine.rtas(RtasToken.REMOVE_PE_DMA_WINDOW, [liobn], 1)[0]!;
  }

  /** ibm,reset-pe-dma-window. */
  resetWindows(phb = 0): number {
    const args = [0, ...cells(this.hosted.machine.phb(phb).buid)];
    return this.hosted.machine.rtas(RtasToken.RESET_PE_DMA_WINDOW, args, 1)[0]!;
  }

  /** Plugs a group's device. @throws Error if that fails */
  plug(group = 0, phb = 0): PassedThroughDevice {
    const result = this.hosted.plug(group, phb);
    if (!result.ok) throw new Error(result.error);
    return result.device;
  }

  /** The first difference of two views, if there is one. */
  check(operation = "check"): Incoherence | undefined {
    return this.#coherence.check(operation);
  }

  /** All that a plug may change, as text: memory that is locked, registrations, groups, windows, tables. */
  state(): string {
    const { host, process, machine, connections, devices, kvm } = this.hosted;
    const state = {
      locked: process.memory.lockedPages,
      regions: process.memory.registered.regions.map(({ start, end, uses, mapped }) => [
        start,
        end,
        uses,
        mapped,
      ]),
      windows: host.groups.map(({ iommu, container }) => [
        container === null,
        ...iommu.windows.map((table) => table && [`${table.start}`, table.length, table.entries.validCount]),
      ]),
      connections: connections.length,
      devices: devices.length,
      tables: [...machine.env.liobns].map(({ fd, needVfio }) => [
        fd !== -1,
        needVfio,
        kvm?.table(fd)?.attached.length,
      ]),
    };
    return JSON.stringify(state);
  }
}
