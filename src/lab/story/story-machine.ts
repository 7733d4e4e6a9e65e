import { IommuError } from "../../base/errors.ts";
import { formatSize } from "../../base/units.ts";
import { DEFAULT_CHECK_OPTIONS } from "../../check/check-options.ts";
import { TraceCheck } from "../../check/trace-check.ts";
import type { MachineDescription, PciDeviceDescription } from "../../formats/machine/machine-description.ts";
import { DeviceDma } from "../../guest/device-dma.ts";
import { DmaLog } from "../../guest/drivers/dma-log.ts";
import { KernelMemory } from "../../guest/drivers/kernel-memory.ts";
import type { LinuxGuest } from "../../guest/linux-guest.ts";
import type { PciFunction } from "../../guest/pci-function.ts";
import { Machine } from "../../spapr/machine.ts";
import { pciLiobn } from "../../spapr/papr.ts";
import { PciDevice } from "../../spapr/pci-device.ts";
import type { Profile } from "../../spapr/profile.ts";
import { formatTraceEvent, type TraceEvent } from "../../spapr/trace-events.ts";
import type { Host } from "../../vfio/host/host.ts";
import { HostedMachine } from "../../vfio/hosted-machine.ts";
import type { PassedThroughDevice } from "../../vfio/passed-through-device.ts";
import type { CostName, VirtualClock } from "../cost-model.ts";
import { configOfDescription, firstPlugged, LinuxMachine } from "../linux-machine.ts";
import { drive, type Transfer } from "./drive.ts";
import type { DriveStep, MapStep, StoryHost } from "./story.ts";

/** Where a guest's buffers begin: what a kernel has for itself lies before. */
const FIRST_BUFFER = 2 ** 24;
/** Events that a story may make. */
const MAX_EVENTS = 500_000;

/** Memory that a driver has mapped, or had. */
export interface StoryBuffer {
  readonly device: string;
  readonly physical: number;
  readonly size: number;
  readonly direction: "to-device" | "from-device" | "bidirectional";
  readonly isCoherent: boolean;
  readonly address: bigint;
  isMapped: boolean;
}

/** What an access of a device came to. */
export type Access = "right" | "refused" | "wrong";

/** What a machine of a story stands on. */
export interface StoryMachineOptions {
  readonly host: { readonly config: StoryHost; readonly host: Host | undefined } | undefined;
  /** A refused DMA freezes the endpoint, and the guest recovers it. */
  readonly eeh: boolean;
}

/** One machine of a story: a described one with Linux as its guest, perhaps on a host, and what its drivers have. */
export class StoryMachine {
  readonly description: MachineDescription;
  readonly linux: LinuxMachine;
  readonly hosted: HostedMachine | undefined;
  /** QEMU's trace, a line an event. */
  readonly trace: string[] = [];
  /** The guest's kernel log. */
  readonly log: string[] = [];
  readonly buffers: Map<string, StoryBuffer[]> = new Map();
  /** Devices of the host by name; undefined for one that could not be given. */
  readonly passed: Map<string, PassedThroughDevice | undefined> = new Map();
  maps = 0;
  failedMaps = 0;
  hostMaps = 0;
  freezes = 0;
  readonly #recovers: boolean;
  readonly #devices = new Map<string, PciDeviceDescription>();
  /** Functions by name, as the kernel that runs now knows them. */
  readonly #functions = new Map<string, PciFunction>();
  #guest: LinuxGuest | undefined;
  readonly #apis = new Map<PciFunction, DeviceDma>();
  readonly #engines = new Map<string, PciDevice>();
  readonly #clock: VirtualClock;
  readonly #dmaLog = new DmaLog();
  #driverMemory: KernelMemory | undefined;
  /** The next byte of memory that is free; what was given back, by size. */
  #next = FIRST_BUFFER;
  readonly #free = new Map<number, number[]>();
  #written = 0;

  constructor(description: MachineDescription, clock: VirtualClock, { host, eeh }: StoryMachineOptions) {
    this.description = description;
    this.#recovers = eeh;
    this.#clock = clock;
    const { ramBytes, maxRamBytes } = description;
    // Memory that is plugged is there, whether the guest knows it yet or not.
    const pluggable = { address: BigInt(firstPlugged(ramBytes)), sizeBytes: BigInt(maxRamBytes - ramBytes) };
    const plain = configOfDescription(description);
    const config = {
      ...plain,
      ...(eeh ? { profile: { ...(plain.profile as Profile), refusedDmaFreezes: true } } : {}),
      ...(maxRamBytes > ramBytes ? { deviceRam: [pluggable] } : {}),
    };
    if (host !== undefined) {
      this.hosted = new HostedMachine({
        ...config,
        accel: description.accelerator,
        groups: host.config.groups,
        container: host.config.container,
        faults: (point) => {
          if (point === "map") this.hostMaps++;
          return undefined;
        },
        ...(host.host === undefined ? {} : { host: host.host }),
      });
    }
    this.linux = new LinuxMachine(description, {
      machine: this.hosted?.machine ?? new Machine(config),
      assumesDrivers: true,
      trace: (event) => this.#record(event),
      log: (line) => this.log.push(line),
    });
    for (const device of description.pciDevices) this.add(device);
  }

  get machine(): Machine {
    return this.linux.machine;
  }

  /** A device that stories know by its id. */
  add(device: PciDeviceDescription): void {
    if (device.id !== undefined) this.#devices.set(device.id, device);
  }

  /** Maps a buffer; undefined if that fails. */
  map(
    name: string,
    { size, direction = "bidirectional", at, coherent = false }: Omit<MapStep, "kind">,
  ): StoryBuffer | undefined {
    const physical = at ?? this.#allocate(size);
    const dma = this.#apiOf(name);
    const address = coherent ? dma.mapCoherent({ physical, size }) : dma.map({ physical, size }, direction);
    this.maps++;
    if (address !== undefined)
      return { device: name, physical, size, direction, isCoherent: coherent, address, isMapped: true };
    this.maps--;
    this.failedMaps++;
    if (at === undefined) this.#giveBack(physical, size);
    return undefined;
  }

  unmap(buffer: StoryBuffer): void {
    const dma = this.#apiOf(buffer.device);
    if (buffer.isCoherent) dma.unmapCoherent(buffer.address, buffer.size);
    else dma.unmap(buffer.address, buffer.size);
    buffer.isMapped = false;
    this.#giveBack(buffer.physical, buffer.size);
  }

  /** A device uses a buffer, at its beginning and its end. */
  use(buffer: StoryBuffer, name: string = buffer.device): Access {
    const passed = this.passed.get(name);
    if (passed === undefined && this.passed.has(name)) return "refused";
    const last = Math.max(0, buffer.size - 8);
    const results = (last === 0 ? [0] : [0, last]).map((offset) =>
      passed === undefined ? this.#access(buffer, name, offset) : this.#reach(buffer, passed, offset),
    );
    return results.includes("refused") ? "refused" : results.includes("wrong") ? "wrong" : "right";
  }

  /** A driver and its device move bytes. */
  drive(step: DriveStep): Transfer[] {
    const fn = this.#functionOf(step.device);
    const range = { start: this.#buffersEnd, end: this.description.ramBytes };
    this.#driverMemory ??= new KernelMemory(this.machine.systemMemory, range);
    const memory = this.#driverMemory;
    this.machine.memory.onDmaFault = (fault) => this.#dmaLog.refused(fault.who, fault);
    const options = {
      memory,
      log: this.#dmaLog,
      ...(this.#recovers ? { eehLog: (line: string) => this.log.push(line) } : {}),
    };
    const { transfers, freezes } = drive(this.linux.guest, fn, step, options);
    this.freezes += freezes;
    this.machine.memory.onDmaFault = null;
    return transfers;
  }

  /** Kinds of what `check` finds in the trace of Linux that drivers made. */
  guestFindingKinds(): string[] {
    const check = new TraceCheck("drivers", DEFAULT_CHECK_OPTIONS);
    check.push(new TextEncoder().encode(this.#dmaLog.text));
    return [...new Set(check.end().findings.map(({ kind }) => kind))].sort();
  }

  /** Kinds of what `check` finds in the trace. */
  findingKinds(): string[] {
    const windows = this.description.bridges.map(({ index, dmaWinAddr = 0n, dmaWinSize = 2n ** 30n }) => ({
      liobn: pciLiobn(index, 0),
      busOffset: dmaWinAddr,
      bytes: dmaWinSize,
      pageShift: 12,
    }));
    const { ramBytes, maxRamBytes } = this.description;
    // Where memory can be plugged it has no size that holds for the whole trace.
    const ram = maxRamBytes > ramBytes ? undefined : BigInt(ramBytes);
    const check = new TraceCheck("story", { ...DEFAULT_CHECK_OPTIONS, ram }, { windows });
    check.push(new TextEncoder().encode(`${this.trace.join("\n")}\n`));
    return [...new Set(check.end().findings.map(({ kind }) => kind))].sort();
  }

  #record(event: TraceEvent): void {
    if (this.trace.length >= MAX_EVENTS)
      throw new IommuError("LIMIT_EXCEEDED", `a story of more than ${MAX_EVENTS} events: make it smaller`);
    this.trace.push(formatTraceEvent(event));
    const cost = this.#pathCost;
    switch (event.name) {
      case "spapr_iommu_pci_put":
        this.#clock.spend(cost);
        this.#clock.spend("tceOfCall");
        break;
      case "spapr_iommu_pci_stuff":
        this.#clock.spend(cost);
        this.#clock.spend("tceOfCall", Number(event.pages));
        break;
      case "spapr_iommu_pci_indirect":
        this.#clock.spend(cost);
        this.#clock.spend("tceOfCall", Number(event.last) + 1);
        break;
      default:
    }
  }

  get #pathCost(): CostName {
    return this.description.accelerator === "kvm" ? "hypercallInKvm" : "hypercallInQemu";
  }

  /** The DMA API that the kernel that runs now has for a device. */
  #apiOf(name: string): DeviceDma {
    const fn = this.#functionOf(name);
    let api = this.#apis.get(fn);
    if (api === undefined) {
      api = new DeviceDma(this.linux.guest, fn);
      this.#apis.set(fn, api);
    }
    return api;
  }

  #functionOf(name: string): PciFunction {
    const { guest } = this.linux;
    if (guest !== this.#guest) {
      this.#guest = guest;
      this.#functions.clear();
    }
    const known = this.#functions.get(name);
    if (known !== undefined) return known;
    const place = this.#devices.get(name);
    const fn = guest.functions.find(
      ({ domain, bus, slot, functionNumber }) =>
        place !== undefined &&
        domain === place.bridge &&
        bus === place.bus &&
        slot === place.slot &&
        functionNumber === place.functionNumber,
    );
    if (fn !== undefined) {
      this.#functions.set(name, fn);
      return fn;
    }
    const names = [...this.#devices.keys()].join(", ") || "none with an id";
    const message =
      place === undefined
        ? `the machine has no device "${name}": there are ${names}`
        : `no kernel that runs has found the device "${name}": it is found by a boot`;
    throw new IommuError("BAD_ARGUMENT", message, { name });
  }

  #access({ address, physical, direction }: StoryBuffer, name: string, offset: number): Access {
    const device = this.#engineOf(name);
    const pattern = new Uint8Array(8);
    new DataView(pattern.buffer).setFloat64(0, ++this.#written);
    const target = BigInt(physical + offset);
    const seen = new Uint8Array(8);
    const memory = this.machine.systemMemory;
    const writes = direction !== "to-device";
    if (!writes) memory.write(target, pattern, null);
    const status = writes
      ? device.write(address + BigInt(offset), pattern)
      : device.read(address + BigInt(offset), seen);
    if (status !== 0) return "refused";
    if (writes) memory.read(target, seen, null);
    return seen.every((byte, i) => byte === pattern[i]) ? "right" : "wrong";
  }

  #reach({ address, physical, direction }: StoryBuffer, device: PassedThroughDevice, offset: number): Access {
    const reached = this.hosted!.reach(device, address + BigInt(offset), direction !== "to-device");
    return reached === undefined ? "refused" : reached === BigInt(physical + offset) ? "right" : "wrong";
  }

  /** The device's side of a function; its registers are not modelled, only that it may be bus master. */
  #engineOf(name: string): PciDevice {
    let engine = this.#engines.get(name);
    if (engine === undefined) {
      const { domain } = this.#functionOf(name);
      engine = new PciDevice(this.machine.phb(domain), name);
      this.#engines.set(name, engine);
    }
    // A reset of the machine clears it; a driver sets it when it starts.
    engine.setBusMaster(true);
    return engine;
  }

  #allocate(size: number): number {
    const given = this.#free.get(size)?.pop();
    if (given !== undefined) return given;
    const physical = this.#next;
    const page = this.linux.guest.cpuPageSize;
    this.#next += Math.ceil(size / page) * page;
    if (this.#next > this.#buffersEnd)
      throw new IommuError(
        "BAD_ARGUMENT",
        `the guest's memory is full of buffers: one of ${formatSize(size)} does not fit`,
      );
    return physical;
  }

  /** The last quarter of memory is what drivers of `drive` steps take theirs from. */
  get #buffersEnd(): number {
    return Math.floor(this.description.ramBytes / 4) * 3;
  }

  #giveBack(physical: number, size: number): void {
    const list = this.#free.get(size);
    if (list === undefined) this.#free.set(size, [physical]);
    else list.push(physical);
  }
}
