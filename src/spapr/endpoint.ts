/**
 * Operations on an endpoint: VFIO_EEH_PE_OP of the kernel, which PAPR's calls are made of.
 *
 * @public
 */
export const EehOp = {
  DISABLE: 0,
  ENABLE: 1,
  UNFREEZE_IO: 2,
  UNFREEZE_DMA: 3,
  GET_STATE: 4,
  RESET_DEACTIVATE: 5,
  RESET_HOT: 6,
  RESET_FUNDAMENTAL: 7,
  CONFIGURE: 8,
  INJECT_ERROR: 9,
} as const;

/**
 * States of an endpoint, as GET_STATE and ibm,read-slot-reset-state2 answer them.
 *
 * @public
 */
export const PeState = {
  /** Everything goes through. */
  NORMAL: 0,
  /** It is held in reset. */
  RESET: 1,
  /** Frozen: neither DMA nor accesses to registers. */
  STOPPED: 2,
  /** Registers can be reached again, DMA not. */
  STOPPED_DMA: 4,
  UNAVAILABLE: 5,
} as const;

/**
 * A partitionable endpoint: devices that a bridge isolates together when one of them makes an error (EEH). A bridge of POWER
 * freezes it at the first DMA that its IOMMU refuses; from then on DMA is refused, reads of registers are all ones and
 * writes vanish, until somebody resets it (PAPR-EEH-1).
 *
 * @public
 */
export class PartitionableEndpoint {
  /** How often it was frozen. */
  freezes = 0;
  /** Notified of each reset: the devices forget what they were told. */
  readonly onReset: Set<() => void> = new Set();
  #stopsIo = false;
  #stopsDma = false;
  #inReset = false;
  #enabled = false;

  /** Did the guest ask for EEH? */
  get enabled(): boolean {
    return this.#enabled;
  }

  get stopsIo(): boolean {
    return this.#stopsIo;
  }

  get stopsDma(): boolean {
    return this.#stopsDma;
  }

  get state(): number {
    if (this.#inReset) return PeState.RESET;
    if (this.#stopsIo) return this.#stopsDma ? PeState.STOPPED : PeState.UNAVAILABLE;
    return this.#stopsDma ? PeState.STOPPED_DMA : PeState.NORMAL;
  }

  /** A device made an error. What is frozen already stays so. */
  freeze(): void {
    if (!this.#stopsDma || !this.#stopsIo) this.freezes++;
    this.#stopsIo = true;
    this.#stopsDma = true;
  }

  /** The machine is reset: all goes through, and nobody has asked for EEH. */
  restart(): void {
    this.#inReset = false;
    this.#enabled = false;
    this.#stop(false);
    for (const hook of this.onReset) hook();
  }

  /**
   * One of {@link EehOp} (VFIO-EEH-2).
   *
   * @returns the state for GET_STATE, else 0
   */
  operate(op: number): number {
    switch (op) {
      case EehOp.GET_STATE:
        return this.state;
      case EehOp.DISABLE:
        this.#enabled = false;
        return 0;
      case EehOp.ENABLE:
        // A new owner gets an endpoint that works.
        this.#enabled = true;
        this.#stop(false);
        return 0;
      case EehOp.UNFREEZE_IO:
        this.#stopsIo = false;
        return 0;
      case EehOp.UNFREEZE_DMA:
        this.#stopsDma = false;
        return 0;
      case EehOp.RESET_HOT:
      case EehOp.RESET_FUNDAMENTAL:
        this.#inReset = true;
        this.#stop(true);
        for (const hook of this.onReset) hook();
        return 0;
      case EehOp.RESET_DEACTIVATE:
        this.#inReset = false;
        this.#stop(false);
        return 0;
      case EehOp.INJECT_ERROR:
        this.freeze();
        return 0;
      default:
        // CONFIGURE writes back what the kernel saved of the devices' configuration, which nobody here changes.
        return 0;
    }
  }

  #stop(stops: boolean): void {
    this.#stopsIo = stops;
    this.#stopsDma = stops;
  }
}
