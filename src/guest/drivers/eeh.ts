import { PeState } from "../../spapr/endpoint.ts";
import { RtasStatus, RtasToken } from "../../spapr/papr.ts";
import type { LinuxGuest } from "../linux-guest.ts";
import type { PciFunction } from "../pci-function.ts";
import type { DeviceRegisters } from "./device-port.ts";

/** `eeh_max_freezes`: with one more in an hour an endpoint is given up. */
const MAX_FREEZES = 5;
const HOUR = 3600;

// Options of the calls (PAPR).
const ENABLE = 1;
const THAW_IO = 2;
const GET_MODE = 1;
const GET_ADDRESS = 0;
const RESET_HOT = 1;
const RESET_OFF = 0;
const LOG_TEMPORARY = 1;
const LOG_PERMANENT = 2;

/** Where the buffer for the firmware's log lies, and its bytes: nobody else uses that memory. */
const LOG_ADDRESS = 0x1f_0000;
const LOG_BYTES = 1024;

/**
 * A driver as far as an error of its device goes.
 *
 * @public
 */
export interface EehDriver {
  /** The device is gone for now: gives back what was mapped for it. */
  stop(): void;
  /** The device was reset: starts it again. Whatever is not `true` or 0 is a failure. */
  start(): unknown;
}

/**
 * What a guest's EEH core is made of.
 *
 * @public
 */
export interface EehOptions {
  readonly registers: DeviceRegisters;
  readonly driver: EehDriver;
  /** The guest's clock, in seconds; default one that stands still, so that all freezes are of one hour. */
  readonly seconds?: () => number;
  /** `eeh_max_freezes`; default 5. */
  readonly maxFreezes?: number;
  /** A line of the kernel's log. */
  readonly log?: (line: string) => void;
}

/**
 * How an endpoint is: nobody looks after it; it works; it is frozen, and to be recovered; it was given up.
 *
 * @public
 */
export type EehState = "off" | "on" | "frozen" | "disabled";

/**
 * Linux's recovery of an endpoint that the bridge has frozen: a register that reads as all ones makes it ask the firmware for the
 * state; the driver stops; the log is collected, the endpoint reset and configured, and the driver starts again. After
 * more freezes in an hour than `maxFreezes` it gives the endpoint up for good (LINUX-EEH-1 to LINUX-EEH-3).
 *
 * @public
 */
export class EehRecovery {
  /** Freezes within the hour that counts. */
  freezes = 0;
  readonly #guest: LinuxGuest;
  readonly #fn: PciFunction;
  readonly #options: EehOptions;
  #state: EehState = "off";
  /** The endpoint's address: of its bus, not of a function. */
  #address = 0;
  /** When the hour began. */
  #since = 0;

  constructor(guest: LinuxGuest, fn: PciFunction, options: EehOptions) {
    this.#guest = guest;
    this.#fn = fn;
    this.#options = options;
  }

  get state(): EehState {
    return this.#state;
  }

  /** Asks the firmware for EEH, as at a boot. @returns false if the device has none */
  enable(): boolean {
    const { configAddress } = this.#fn;
    const [found, mode] = this.#call(RtasToken.GET_CONFIG_ADDR_INFO2, configAddress, [GET_MODE], 2);
    if (found !== RtasStatus.SUCCESS || mode === 0) return false;
    const [addressed, address] = this.#call(RtasToken.GET_CONFIG_ADDR_INFO2, configAddress, [GET_ADDRESS], 2);
    if (addressed !== RtasStatus.SUCCESS) return false;
    this.#address = address!;
    const [enabled] = this.#call(RtasToken.SET_EEH_OPTION, configAddress, [ENABLE], 1);
    if (enabled !== RtasStatus.SUCCESS || this.#readState() === undefined) return false;
    this.#state = "on";
    this.#options.registers.onAllOnes = () => this.check();
    return true;
  }

  /** A register read as all ones: is the endpoint frozen? @returns true if it is, and waits for its recovery */
  check(): boolean {
    if (this.#state !== "on") return this.#state === "frozen";
    const state = this.#readState();
    if (state === undefined || state === PeState.NORMAL) return false;
    this.#state = "frozen";
    this.#log(`EEH: Frozen ${this.#name} detected`);
    return true;
  }

  /**
   * Recovers a frozen endpoint, or gives it up.
   *
   * @returns the state afterwards
   */
  recover(): EehState {
    if (this.#state !== "frozen") return this.#state;
    const { driver, maxFreezes = MAX_FREEZES } = this.#options;
    this.#log(`EEH: Recovering ${this.#name}`);
    this.#count();
    if (this.freezes > maxFreezes) {
      this.#log(
        `EEH: ${this.#name} has failed ${this.freezes} times in the last hour and has been permanently disabled.`,
      );
      return this.#giveUp();
    }
    this.#log(
      `EEH: This PCI device has failed ${this.freezes} times in the last hour and will be permanently disabled after ${maxFreezes} failures.`,
    );
    this.#log("EEH: Notify device drivers to shutdown");
    driver.stop();
    this.#log("EEH: Collect temporary log");
    this.#call(RtasToken.SET_EEH_OPTION, this.#address, [THAW_IO], 1);
    this.#call(RtasToken.CONFIGURE_PE, this.#address, [], 1);
    this.#collect(LOG_TEMPORARY);
    this.#log("EEH: Reset without hotplug activity");
    if (!this.#reset()) return this.#giveUp();
    this.#state = "on";
    this.#log("EEH: Notify device driver to resume");
    const started = driver.start();
    if (started !== true && started !== 0) return this.#giveUp();
    this.#log("EEH: Recovery successful.");
    return this.#state;
  }

  /** Freezes are counted by the hour, which begins with the first one. */
  #count(): void {
    const now = this.#options.seconds?.() ?? 0;
    if (this.freezes === 0 || now - this.#since > HOUR) {
      this.freezes = 0;
      this.#since = now;
    }
    this.freezes++;
  }

  /** Asserts a hot reset, ends it, and configures what it reset; the endpoint is to be well then. */
  #reset(): boolean {
    const calls = [
      () => this.#call(RtasToken.SET_SLOT_RESET, this.#address, [RESET_HOT], 1),
      () => this.#call(RtasToken.SET_SLOT_RESET, this.#address, [RESET_OFF], 1),
      () => this.#call(RtasToken.CONFIGURE_PE, this.#address, [], 1),
    ];
    return calls.every((call) => call()[0] === RtasStatus.SUCCESS) && this.#readState() === PeState.NORMAL;
  }

  #giveUp(): EehState {
    this.#log(`EEH: Unable to recover from failure from ${this.#name}.`);
    this.#log("Please try reseating or replacing it");
    this.#collect(LOG_PERMANENT);
    this.#state = "disabled";
    this.#options.driver.stop();
    return this.#state;
  }

  #collect(kind: number): void {
    this.#call(RtasToken.SLOT_ERROR_DETAIL, this.#address, [0, 0, LOG_ADDRESS, LOG_BYTES, kind], 1);
  }

  /** The state, or undefined where the firmware does not say or knows no EEH. */
  #readState(): number | undefined {
    const [status, state, supported] = this.#call(RtasToken.READ_SLOT_RESET_STATE2, this.#address, [], 4);
    return status === RtasStatus.SUCCESS && supported === 1 ? state : undefined;
  }

  #call(token: number, address: number, args: readonly number[], results: number): number[] {
    const node = this.#guest.nodeOf(this.#fn);
    return this.#guest.calls.rtas(token, [address, node?.buidHi ?? 0, node?.buidLo ?? 0, ...args], results);
  }

  get #name(): string {
    return `PHB#${this.#fn.domain.toString(16)}-PE#${this.#address.toString(16)}`;
  }

  #log(line: string): void {
    this.#options.log?.(line);
  }
}
