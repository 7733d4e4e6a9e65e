import { checkedAddress } from "../base/checked.ts";
import { IommuError } from "../base/errors.ts";
import { FirstError } from "../base/first-error.ts";
import { rangeOf } from "../base/range.ts";
import { Spare } from "../base/spare.ts";
import { hex, toBig } from "../base/u64.ts";
import { AddressSpace } from "../memory/address-space.ts";
import { GuestRam } from "../memory/guest-ram.ts";
import { MemoryRegion } from "../memory/memory-region.ts";
import { MemorySystem } from "../memory/memory-system.ts";
import { H_TOO_HARD } from "./accelerator.ts";
import { registerDdwCalls } from "./ddw.ts";
import { buildDeviceTree, type DeviceTree } from "./device-tree.ts";
import { registerEehCalls } from "./eeh.ts";
import type { SpaprEnvironment } from "./environment.ts";
import { hGetTce, hPutTce, hPutTceIndirect, hStuffTce, putPage } from "./hypercalls.ts";
import { LiobnRegistry } from "./liobn-registry.ts";
import type { MachineConfig } from "./machine-config.ts";
import { newObserver, type RecordValues, type RuleId, type SpaprObserver } from "./observer.ts";
import { Hcall, HStatus, MAX_LIST_ENTRIES, RtasStatus } from "./papr.ts";
import { PciHostBridge, type PhbConfig } from "./phb.ts";
import { DEFAULT_PROFILE, findProfile, type Profile } from "./profile.ts";
import { refuseCall } from "./refuse.ts";
import { HcallRegisters } from "./registers.ts";
import { RtasDispatcher } from "./rtas.ts";
import { callRtas } from "./rtas-block.ts";
import { registerVioCalls, VioBus } from "./vio.ts";

const DEFAULT_RAM_SIZE = 0x1000_0000n;
const OPCODE_LO = 1;
// V8 folds a constant of the module itself, but loads an imported one each time.
const { PUT_TCE, STUFF_TCE, PUT_TCE_INDIRECT, GET_TCE, RTAS } = Hcall;
const { SUCCESS } = HStatus;
const TOO_HARD = H_TOO_HARD;
const R4_HI = 2;
const R4_LO = 3;

/**
 * A pSeries machine: guest memory, PCI host bridges and VIO devices with their
 * DMA windows, and the calls through which a guest programs them.
 *
 * @public
 */
export class Machine {
  readonly observer: SpaprObserver = newObserver();
  readonly memory: MemorySystem = new MemorySystem();
  readonly ram: GuestRam;
  readonly systemMemory: AddressSpace;
  /** @internal */
  readonly env: SpaprEnvironment;
  readonly vio: VioBus;
  /** @internal Did the kernel handle the last hypercall? */
  protected servedByKernel = false;
  /** @internal May {@link putPage} be tried first? No kernel sees the calls before, and entries may point anywhere. */
  protected readonly servesPages: boolean;
  readonly #rtas: RtasDispatcher;
  readonly #registers = new Spare(() => new HcallRegisters());
  #phbs: PciHostBridge[] = [];
  #deviceTree: DeviceTree = new Map();

  /** @throws IommuError BAD_CONFIG, LIOBN_IN_USE or OUT_OF_RANGE if the configuration makes no machine */
  constructor(config: MachineConfig = {}) {
    const { profile = DEFAULT_PROFILE, ramSize = DEFAULT_RAM_SIZE } = config;
    this.ram = new GuestRam(ramSize);
    const root = MemoryRegion.container(this.memory, "system");
    this.systemMemory = new AddressSpace(this.memory, "memory", root);
    root.addSubregion(MemoryRegion.ram(this.memory, "ppc_spapr.ram", this.ram), 0n);
    for (const { address, sizeBytes } of config.deviceRam ?? []) {
      checkedAddress(address, "address of device memory");
      checkedAddress(sizeBytes, "size of device memory");
      rangeOf(address, sizeBytes);
      root.addSubregion(MemoryRegion.ram(this.memory, "device-ram", new GuestRam(sizeBytes), true), address);
    }
    this.env = {
      memory: this.memory,
      systemMemory: this.systemMemory,
      profile: typeof profile === "string" ? findProfile(profile) : profile,
      observer: this.observer,
      liobns: new LiobnRegistry(),
      replayStrategy: config.replayStrategy ?? "counted-walk",
      accelerator: config.accelerator?.(this.ram) ?? null,
      lists: new Spare(() => new Uint32Array(MAX_LIST_ENTRIES * 2)),
    };
    this.servesPages = this.env.accelerator === null && this.env.profile.anyTarget;
    this.vio = new VioBus(this.env, ramSize);
    this.#rtas = new RtasDispatcher(this.env);
    registerDdwCalls(this.#rtas, this.env, () => this.#phbs);
    registerEehCalls(this.#rtas, () => this.#phbs);
    registerVioCalls(this.#rtas, this.vio);
    for (const token of this.profile.otherRtasTokens)
      this.#rtas.register(token, () => RtasStatus.PARAM_ERROR);
    for (const phb of config.phbs ?? [{ index: 0 }]) this.#addPhb(phb);
    for (const device of config.vio ?? []) this.vio.add(device);
    this.reset();
  }

  /** Bridges in order of creation. */
  get phbs(): readonly PciHostBridge[] {
    return this.#phbs;
  }

  /** The tree that the guest was given at the last reset. */
  get deviceTree(): DeviceTree {
    return this.#deviceTree;
  }

  /** Who handled the last hypercall. */
  get servedBy(): "qemu" | "kvm" {
    return this.servedByKernel ? "kvm" : "qemu";
  }

  get profile(): Profile {
    return this.env.profile;
  }

  /** @throws IommuError BAD_CONFIG if there is no such bridge */
  phb(index: number): PciHostBridge {
    const phb = this.#phbs.find((bridge) => bridge.index === index);
    if (phb === undefined)
      throw new IommuError("BAD_CONFIG", `the machine has no bridge ${index}`, { index });
    return phb;
  }

  /** Plugs a bridge into the running machine; it is reset, so that its default window exists. */
  plugPhb(config: PhbConfig): PciHostBridge {
    const phb = this.#addPhb(config);
    phb.reset();
    return phb;
  }

  /**
   * Takes a bridge out of the running machine, with its windows.
   *
   * @throws IommuError BAD_CONFIG if the machine does not have it (any more)
   */
  unplugPhb(phb: PciHostBridge): void {
    if (!this.#phbs.includes(phb)) {
      throw new IommuError("BAD_CONFIG", `bridge ${phb.index} is not in this machine`, { index: phb.index });
    }
    this.#phbs = this.#phbs.filter((other) => other !== phb);
    phb.destroy();
  }

  #addPhb(config: PhbConfig): PciHostBridge {
    if (this.#phbs.some((phb) => phb.index === config.index)) {
      throw new IommuError("BAD_CONFIG", `bridge index ${config.index} is in use`, { index: config.index });
    }
    let phb: PciHostBridge | undefined;
    // One transaction: listeners are called when the bridge is there.
    this.memory.transaction(() => {
      phb = new PciHostBridge(this.env, config);
      this.#phbs = [...this.#phbs, phb];
    });
    return phb!;
  }

  /**
   * A machine reset: bridges in reverse order of creation, then VIO devices,
   * likewise; then the device tree is built. Guest memory stays (QEMU-MACHINE-1).
   *
   * @throws what a callback throws first, when the machine is reset
   */
  reset(): void {
    const errors = new FirstError();
    for (const phb of [...this.#phbs].reverse()) {
      // A callback may unplug a bridge that is still to be reset.
      if (this.#phbs.includes(phb)) errors.attempt(() => phb.reset());
    }
    for (const device of [...this.vio.devices].reverse()) errors.attempt(() => device.reset());
    this.#deviceTree = buildDeviceTree(this.#phbs, this.vio);
    errors.rethrow();
  }

  /**
   * One hypercall, the hot path: number and arguments in `regs` (r3 to r12 in
   * halves, see {@link HcallRegisters}), results in them afterwards. A call
   * from inside of a callback needs registers of its own.
   *
   * @param problemState the caller runs with MSR[PR] = 1, which no hypercall permits
   * @returns the status, which belongs into r3
   * @throws what a callback throws first, when the call is done
   */
  hcall(regs: Uint32Array, problemState?: boolean): number {
    if (problemState !== undefined && problemState) return this.refusePrivilege(regs);
    // Nearly all calls are done at once (see TceTable about short functions). `=== true`, as V8 has to ask of a field more
    // than that before it knows whether it stands for true.
    return this.servesPages === true && putPage(this.env, regs) ? SUCCESS : this.serveOther(regs);
  }

  /** @internal A hypercall that the kernel sees first, if there is one. */
  protected serveOther(regs: Uint32Array): number {
    const { accelerator } = this.env;
    if (accelerator === null) return this.serveAny(regs);
    const status = accelerator.hcall(regs);
    if (status === TOO_HARD) return this.serveForKernel(regs);
    this.servedByKernel = true;
    return status;
  }

  /** @internal A hypercall that the kernel leaves to user space. */
  protected serveForKernel(regs: Uint32Array): number {
    try {
      return this.profile.anyTarget && putPage(this.env, regs) ? SUCCESS : this.serveAny(regs);
    } finally {
      // After the call, as a callback may make another one.
      this.servedByKernel = false;
    }
  }

  /** @internal Calls of functions that V8 knows are faster than a table of them. */
  protected serveAny(regs: Uint32Array): number {
    const opcode = regs[OPCODE_LO]!;
    if (regs[0] === 0) {
      if (opcode === PUT_TCE) return hPutTce(this.env, regs);
      if (opcode === STUFF_TCE) return hStuffTce(this.env, regs);
      if (opcode === PUT_TCE_INDIRECT) return hPutTceIndirect(this.env, regs);
      if (opcode === GET_TCE) return hGetTce(this.env, regs);
      if (opcode === RTAS) return this.#rtas.call(toBig(regs[R4_HI]!, regs[R4_LO]!));
    }
    return this.#refuse(regs, HStatus.FUNCTION, "no hypercall has this number", "QEMU-HCALL-1");
  }

  /** @internal */
  protected refusePrivilege(regs: Uint32Array): number {
    return this.#refuse(regs, HStatus.PRIVILEGE, "the caller is in problem state", "PAPR-HCALL-1");
  }

  #refuse(regs: Uint32Array, status: number, rule: string, id: RuleId): number {
    const values = (): RecordValues => ({ opcode: hex(toBig(regs[0]!, regs[OPCODE_LO]!)) });
    return refuseCall(this.env, "hypercall", status, { rule, id }, values);
  }

  /**
   * An RTAS call with plain arguments: writes the argument block into guest
   * memory and reads the return cells from it.
   *
   * The memory is as it was afterwards: a callback may make such a call, too.
   *
   * @param token 0 to 2^32 - 1; so each argument
   * @param nret how many return cells there are, 0 to {@link MAX_RTAS_CELLS}
   * @param address where in guest memory the block may lie
   * @returns the return cells; the first one is the status, as a signed number
   * @throws IommuError BAD_ARGUMENT or OUT_OF_RANGE for values that are none of these
   */
  rtas(token: number, args: readonly number[], nret: number, address = 0x9000n): number[] {
    return callRtas(this, { token, args, nret, address });
  }

  /**
   * A hypercall with plain arguments, off the hot path; results are in the
   * registers returned, until the next call.
   *
   * @param opcode 0 to 2^64 - 1, as are up to 9 arguments; a number must be exact, which is below 2^53
   * @throws IommuError BAD_ARGUMENT or OUT_OF_RANGE for values that are not
   */
  call(
    opcode: number | bigint,
    ...args: readonly (number | bigint)[]
  ): { status: number; registers: HcallRegisters } {
    const registers = this.#registers.take();
    registers.load(opcode, args);
    const status = this.hcall(registers.words);
    this.#registers.giveBack(registers);
    return { status, registers };
  }
}
