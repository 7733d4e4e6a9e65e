import type { Permission } from "../../base/permission.ts";
import type { InterruptKind } from "../protocol/payloads.ts";

/**
 * What a device does, at once or in time.
 *
 * @public
 */
export type MaybePromise = void | Promise<void>;

/**
 * Memory-mapped registers of a device. Offsets and lengths were checked.
 * What they throw refuses the access: a `RefusedError` with its errno, anything else as EINVAL.
 *
 * @public
 */
export interface BarModel {
  /** Bytes; a power of two, at least 16. */
  readonly size: number;
  /** Fills all of `into`. */
  read(offset: number, into: Uint8Array): MaybePromise;
  write(offset: number, data: Uint8Array): MaybePromise;
}

/**
 * A window of the bus that the host lets a device use.
 *
 * @public
 */
export interface BusWindow {
  readonly first: bigint;
  readonly last: bigint;
  readonly perm: Permission;
}

/**
 * What a device gets of its host.
 *
 * @public
 */
export interface DevicePlace {
  /** Windows there are now, in order. */
  readonly windows: readonly BusWindow[];
  /**
   * DMA from the host's memory: all of it in one window that permits it, as the windows are now.
   *
   * @param into where to; by default a new array
   * @throws RefusedError with ENOENT if no window contains it, EACCES against its permission, or the host's errno
   */
  dmaRead(address: bigint, bytes: number, into?: Uint8Array): Promise<Uint8Array>;
  /** DMA to the host's memory, likewise. */
  dmaWrite(address: bigint, data: Uint8Array): Promise<void>;
  /**
   * The same without a look at the windows, as a device does that looked an address up before: the host decides.
   */
  uncheckedRead(address: bigint, bytes: number, into?: Uint8Array): Promise<Uint8Array>;
  uncheckedWrite(address: bigint, data: Uint8Array): Promise<void>;
  /** The host permits DMA (COMMAND register). */
  readonly busMaster: boolean;
  /**
   * Raises an interrupt: by the file that the host gave for it, or by a message if it enabled MSI.
   *
   * @throws RefusedError with ENOENT if the host wants none
   */
  raise(kind: InterruptKind, vector?: number): Promise<void>;
}

/**
 * A device whose state can be carried to another one of its kind.
 *
 * @public
 */
export interface MigrationModel {
  /** It gives data while it runs, too. */
  readonly preCopy?: boolean;
  /**
   * Goes from one state (`MigrationState`) to the next one.
   *
   * @throws RefusedError to stay in the one before
   */
  enter?(state: number, before: number): MaybePromise;
  /** The next data, at most so many bytes; fewer are the last ones. Called in STOP_COPY and PRE_COPY. */
  save(bytes: number): Uint8Array;
  /** The next data of another device. Called in RESUMING. */
  load(data: Uint8Array): void;
}

/**
 * Where a device has its MSI-X tables.
 *
 * @public
 */
export interface MsixTables {
  readonly vectors: number;
  /** The BAR that both are in; its model keeps what is written there. */
  readonly bar: number;
  /** Offset of the table, 16 bytes for each vector; a multiple of 8. */
  readonly table: number;
  /** Offset of the pending bits; a multiple of 8. */
  readonly pending: number;
}

/**
 * A PCI device in TypeScript: what it is, its registers, and what it does when the host changes something.
 *
 * @public
 */
export interface PciDeviceModel {
  readonly name: string;
  readonly vendor: number;
  readonly device: number;
  /** Class, subclass and programming interface, as 24 bits; default 0xff0000 (none of the others). */
  readonly classCode?: number;
  readonly revision?: number;
  /** BAR0 to BAR5. */
  readonly bars: readonly (BarModel | undefined)[];
  /** It has an interrupt line. */
  readonly intx?: boolean;
  /** MSI vectors that it may raise; default 0. */
  readonly msiVectors?: number;
  readonly msix?: MsixTables;
  /** How its state is saved and loaded, if that can be done. */
  readonly migration?: MigrationModel;
  /** It is plugged: called once, before anything else. */
  attach(place: DevicePlace): void;
  /** A window is there. */
  mapped?(window: BusWindow): MaybePromise;
  /** A window is going: it may be used until this is done, and not afterwards. */
  unmapping?(window: BusWindow): MaybePromise;
  reset?(): MaybePromise;
  /** The host masked an interrupt, or permits it again; one that is raised all the same comes. */
  masked?(kind: InterruptKind, vector: number, masked: boolean): void;
  /**
   * Comes to rest before windows change or a reset. The host waits, and serves DMA meanwhile.
   *
   * @throws RefusedError to refuse what the host wants at once
   */
  quiesce?(): MaybePromise;
  /** The host has left; what was going on is to end. */
  detached?(): void;
}
