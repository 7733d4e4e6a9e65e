import { IommuError } from "../../base/errors.ts";
import { type AddressRange, rangeOf } from "../../base/range.ts";
import type { Machine } from "../../spapr/machine.ts";
import { PciDevice } from "../../spapr/pci-device.ts";
import { VfioListener } from "../../vfio/listener.ts";
import { DirtyLog } from "../dirty-log.ts";
import type { ByteChannel } from "../protocol/channel.ts";
import { isStopped, MigrationState } from "../protocol/migration-state.ts";
import { INTERRUPT_KINDS, type InterruptKind, IrqFlag, PciRegion } from "../protocol/payloads.ts";
import { type ClientOptions, type RegionDescription, VfioUserClient } from "./client.ts";
import { type DmaRecord, DmaService } from "./dma-service.ts";
import { type Divergence, WindowContainer } from "./window-container.ts";

/** Where the COMMAND register stands in the configuration space, and its bit that permits DMA. */
const COMMAND = 4;
const BUS_MASTER = 4;
/** Regions and kinds of interrupts that are looked at; a PCI device has 9 and 5. */
const MAX_REGIONS = 64;
const MAX_IRQS = 16;
/** The largest state of a device that is saved. */
const MAX_STATE = 2 ** 26;

/**
 * How a device is plugged into a machine.
 *
 * @public
 */
export interface DeviceHostOptions extends ClientOptions {
  /** Index of the bridge; default 0. */
  readonly phb?: number;
  /** `devfn << 8` on the bridge; default: slot 3. */
  readonly configAddress?: number;
  /** The most windows that the device is told of at once; default: what it says it takes. */
  readonly maxWindows?: number;
  /** Hears of each DMA of the device. */
  readonly onDma?: (record: DmaRecord) => void;
  readonly onDivergence?: (divergence: Divergence) => void;
  /** Hears of a message-signalled interrupt. */
  readonly onMsi?: (data: number) => void;
  /** Hears of an interrupt that came by a file ({@link DeviceHost.enableIrqs}), and how often it came since it heard last. */
  readonly onInterrupt?: (kind: InterruptKind, vector: number, times: number) => void;
}

/**
 * What a device says of itself.
 *
 * @public
 */
export interface DeviceDescription {
  readonly version: string;
  readonly flags: number;
  readonly regions: readonly RegionDescription[];
  readonly irqs: readonly { readonly index: number; readonly flags: number; readonly count: number }[];
}

const SLOT_3 = 3 << 11;

/**
 * A vfio-user device behind the IOMMU of a machine: what the guest maps the
 * device is told, and its DMA is checked and served. The guest's calls are
 * made on the machine as always; {@link settle} waits until the device knows.
 *
 * @public
 */
export class DeviceHost {
  readonly client: VfioUserClient;
  readonly machine: Machine;
  readonly description: DeviceDescription;
  readonly #pci: PciDevice;
  readonly #container: WindowContainer;
  readonly #listener: VfioListener;
  readonly #service: DmaService;
  readonly #onInterrupt: (kind: InterruptKind, vector: number, times: number) => void;

  private constructor(
    client: VfioUserClient,
    machine: Machine,
    description: DeviceDescription,
    options: DeviceHostOptions,
  ) {
    const { phb: index = 0, configAddress = SLOT_3, maxWindows = client.device.maxDmaMaps } = options;
    this.client = client;
    this.machine = machine;
    this.description = description;
    const phb = machine.phb(index);
    this.#pci = new PciDevice(phb, client.name, configAddress);
    this.#container = new WindowContainer(
      client.name,
      {
        map: (window, perm, sent, done, failed) => client.tellMap(window, perm, sent, done, failed),
        unmap: (window, done, failed) => client.tellUnmap(window, done, failed),
      },
      maxWindows,
      (divergence) => options.onDivergence?.(divergence),
    );
    this.#service = new DmaService({
      pci: this.#pci,
      evidence: this.#container,
      maxTransfer: client.maxTransfer,
      onDma: (record) => options.onDma?.(record),
      onMsi: (data) => options.onMsi?.(data),
    });
    this.#onInterrupt = options.onInterrupt ?? (() => {});
    client.onDma = (message, number, make) => this.#service.serve(message, number, make);
    this.#listener = new VfioListener({
      container: this.#container,
      systemMemory: machine.systemMemory,
      quirks: machine.profile,
    });
    machine.memory.register(this.#listener, phb.addressSpace);
    this.#listener.initialized = true;
  }

  /**
   * Negotiates with a device, asks what it is, plugs it into a bridge, and tells it what is mapped already.
   *
   * @throws IommuError PEER or REFUSED if it is no device that can be used
   */
  static async plug(
    machine: Machine,
    channel: ByteChannel,
    options: DeviceHostOptions = {},
  ): Promise<DeviceHost> {
    const client = new VfioUserClient(channel, options);
    try {
      const host = new DeviceHost(client, machine, await describe(client), options);
      await host.#readCommand();
      await host.settle();
      return host;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Windows that the device was told of and may use now, in order. */
  get windows(): readonly AddressRange[] {
    return this.#container.windows.all.filter((window) => window.isLive);
  }

  get busMaster(): boolean {
    return this.#pci.busMaster;
  }

  /**
   * Resolves when the device has answered all that it was told of mappings: then the guest's operation is complete.
   *
   * @throws IommuError PEER if the connection has ended
   */
  settle(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#container.whenSettled(() => {
        if (this.client.end === undefined) resolve();
        else reject(this.client.end);
      });
    });
  }

  /** Reads configuration space or a BAR. */
  read(region: number, offset: bigint, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.client.regionRead(region, offset, bytes);
  }

  /** Writes configuration space or a BAR; the bus master bit is followed. */
  async write(region: number, offset: bigint, data: Uint8Array): Promise<void> {
    if (region !== PciRegion.CONFIG) {
      this.#service.isQuietAfterReset = false;
      await this.client.regionWrite(region, offset, data);
      return;
    }
    const at = COMMAND - Number(offset);
    const command = at >= 0 && at < data.length ? data[at] : undefined;
    const on = command === undefined ? this.busMaster : (command & BUS_MASTER) !== 0;
    // On: the device may begin before it answers. Off: refused from now on.
    this.#pci.setBusMaster(on);
    try {
      await this.client.regionWrite(region, offset, data);
    } finally {
      if (command !== undefined && this.client.end === undefined) await this.#readCommand();
    }
  }

  /** DEVICE_RESET: windows stay; DMA that was going on may come to its end before the reply, and none after it. */
  async reset(): Promise<void> {
    await this.client.reset(() => {
      this.#service.isQuietAfterReset = true;
      this.#service.isStopped = false;
    });
    await this.#readCommand();
  }

  /**
   * Gives the device an event for each interrupt of a kind.
   *
   * @returns how many there are
   * @throws IommuError UNSUPPORTED where no files can be passed, or the device has no such interrupts
   */
  async enableIrqs(kind: InterruptKind): Promise<number> {
    const index = INTERRUPT_KINDS.indexOf(kind);
    const count = this.description.irqs.find((irq) => irq.index === index)?.count ?? 0;
    if (count === 0) throw new IommuError("UNSUPPORTED", `${this.client.name} has no ${kind} interrupts`);
    await this.client.enableIrqs(index, count, (vector, times) => this.#onInterrupt(kind, vector, times));
    return count;
  }

  /** Takes all interrupts of a kind away from the device. */
  async disableIrqs(index: number): Promise<void> {
    await this.client.setIrqs({ flags: IrqFlag.NONE | IrqFlag.TRIGGER, index, start: 0, count: 0 });
  }

  /**
   * Stops the device and takes its state out of it. It stays stopped.
   *
   * @throws IommuError REFUSED if it cannot migrate, LIMIT_EXCEEDED for more than 64 MiB
   */
  async saveState(): Promise<Uint8Array<ArrayBuffer>> {
    const { client } = this;
    await this.#enter(MigrationState.STOP_COPY);
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for (let isLast = false; !isLast; ) {
      const piece = await client.migration.read(client.maxTransfer);
      isLast = piece.length < client.maxTransfer;
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > MAX_STATE) {
        throw new IommuError("LIMIT_EXCEEDED", `${client.name}: a state of more than ${MAX_STATE} bytes`, {
          limit: MAX_STATE,
        });
      }
    }
    await this.#enter(MigrationState.STOP);
    const state = new Uint8Array(bytes);
    let at = 0;
    for (const piece of pieces) {
      state.set(piece, at);
      at += piece.length;
    }
    return state;
  }

  /** Gives the device the state of another one, or its own of before, and makes it run. */
  async loadState(state: Uint8Array): Promise<void> {
    await this.#enter(MigrationState.RESUMING);
    await this.client.migration.write(state);
    await this.#enter(MigrationState.RUNNING);
    await this.#readCommand();
  }

  /** From the reply on that it is stopped there is no DMA of the device; before it is told to run there may be some. */
  async #enter(state: number): Promise<void> {
    if (!isStopped(state)) this.#service.isStopped = false;
    await this.client.migration.setState(state, () => {
      this.#service.isStopped = isStopped(state);
    });
  }

  /** Starts logging what the device writes, in pages of so many bytes, everywhere or in some ranges. */
  startDirtyLog(pageSize: bigint, ranges: readonly AddressRange[] = []): void {
    this.#service.dirtyLog = new DirtyLog(pageSize, ranges);
  }

  stopDirtyLog(): void {
    this.#service.dirtyLog = null;
  }

  /**
   * Pages of a range that the device wrote since they were asked for last: a bit each, in words of 64.
   *
   * @throws IommuError BAD_ARGUMENT if nothing is logged
   */
  dirtyPages(first: bigint, size: bigint): BigUint64Array<ArrayBuffer> {
    const log = this.#service.dirtyLog;
    if (log === null) throw new IommuError("BAD_ARGUMENT", "dirty pages are not logged: start that first");
    const { last } = rangeOf(first, size);
    return log.report(first, last - first + 1n);
  }

  /** Takes the device out of the machine and ends the connection. */
  unplug(): void {
    this.client.close();
    this.machine.memory.unregister(this.#listener);
    this.#pci.destroy();
  }

  async #readCommand(): Promise<void> {
    const command = await this.client.regionRead(PciRegion.CONFIG, BigInt(COMMAND), 2);
    this.#pci.setBusMaster((command[0]! & BUS_MASTER) !== 0);
  }
}

async function describe(client: VfioUserClient): Promise<DeviceDescription> {
  const { major, minor } = await client.negotiate();
  const { flags, regions: count, irqs: kinds } = await client.deviceInfo();
  if (count > MAX_REGIONS || kinds > MAX_IRQS || count <= PciRegion.CONFIG) {
    throw new IommuError(
      "PEER",
      `${client.name}: ${count} regions and ${kinds} kinds of interrupts, which no PCI device has`,
      { count, kinds },
    );
  }
  const regions: RegionDescription[] = [];
  for (let index = 0; index < count; index++) regions.push(await client.regionInfo(index));
  const irqs: DeviceDescription["irqs"][number][] = [];
  for (let index = 0; index < kinds; index++) irqs.push(await client.irqInfo(index));
  return { version: `${major}.${minor}`, flags, regions, irqs };
}
