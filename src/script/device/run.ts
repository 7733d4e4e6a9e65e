import { IommuError } from "../../base/errors.ts";
import type { DeviceOperation } from "../../formats/op-script/device-operation.ts";
import { toHexBytes } from "../../formats/op-script/fields.ts";
import type { Operation } from "../../formats/op-script/operation.ts";
import type { MachineConfig } from "../../spapr/machine-config.ts";
import { DeviceHost, type DeviceHostOptions } from "../../vfio-user/client/device-host.ts";
import type { ByteChannel, Timers } from "../../vfio-user/protocol/channel.ts";
import type { OpResult } from "../op/result.ts";
import { OpRunner } from "../op/run.ts";
import {
  type DeviceFinding,
  type DmaLine,
  dmaLine,
  findingOfDivergence,
  findingOfDma,
  findingOfEnd,
} from "./result.ts";

/** DMA of one operation that its result shows; the others are counted. */
const MAX_SHOWN = 1000;
/** What a guest's call comes to when the device did not do what it has to: the hardware failed. */
const H_HARDWARE = -1;

/**
 * Runs operations on a machine and a vfio-user device that is plugged into it. An operation is over when the device has
 * answered all that comes of it.
 *
 * @public
 */
export class DeviceRunner {
  readonly host: DeviceHost;
  readonly #runner: OpRunner;
  readonly #timers: Timers | undefined;
  readonly #state: RunState;

  private constructor(host: DeviceHost, runner: OpRunner, timers: Timers | undefined, state: RunState) {
    this.host = host;
    this.#runner = runner;
    this.#timers = timers;
    this.#state = state;
  }

  /**
   * Plugs the device into a fresh machine.
   *
   * @throws IommuError PEER or REFUSED if it is no device that can be used
   */
  static async start(
    config: MachineConfig,
    channel: ByteChannel,
    options: Omit<DeviceHostOptions, "onDma" | "onDivergence" | "onMsi" | "onInterrupt"> = {},
  ): Promise<DeviceRunner> {
    const runner = new OpRunner(config);
    const state: RunState = { dma: [], dmaCount: 0, interrupts: [], signals: [], findings: [] };
    const host = await DeviceHost.plug(runner.machine, channel, {
      ...options,
      onDma: (record) => {
        state.dmaCount++;
        if (state.dma.length < MAX_SHOWN) state.dma.push(dmaLine(record));
        const finding = findingOfDma(record);
        if (finding !== undefined && state.findings.length < MAX_SHOWN) state.findings.push(finding);
      },
      onDivergence: (divergence) => {
        if (state.findings.length < MAX_SHOWN) state.findings.push(findingOfDivergence(divergence));
      },
      onInterrupt: (kind, vector, times) => {
        if (state.signals.length < MAX_SHOWN) state.signals.push({ kind, vector, times });
      },
      onMsi: (data) => {
        if (state.interrupts.length < MAX_SHOWN) state.interrupts.push(data);
      },
    });
    return new DeviceRunner(host, runner, options.timers, state);
  }

  /**
   * Runs one operation.
   *
   * @returns its result, and what was found while it ran
   */
  async run(
    operation: Operation | DeviceOperation,
  ): Promise<{ readonly result: OpResult; readonly findings: readonly DeviceFinding[] }> {
    const state = this.#state;
    let result: OpResult;
    try {
      result = await this.#run(operation);
    } catch (error) {
      if (!(error instanceof IommuError) || (error.code !== "PEER" && error.code !== "REFUSED")) throw error;
      result = error.code === "REFUSED" ? { errno: error.details.errno } : { error: error.message };
    }
    const { end } = this.host.client;
    if (end !== undefined) state.findings.push(findingOfEnd(end));
    const { dma, dmaCount, interrupts, signals, findings } = state;
    state.dma = [];
    state.dmaCount = 0;
    state.interrupts = [];
    state.signals = [];
    // What comes before the next operation is found with that one.
    state.findings = [];
    return {
      result: {
        ...result,
        ...(dmaCount === 0 ? {} : { dma }),
        ...(dmaCount > dma.length ? { dmaNotShown: dmaCount - dma.length } : {}),
        ...(interrupts.length === 0 ? {} : { interrupts }),
        ...(signals.length === 0 ? {} : { signals }),
        ...(findings.length === 0 ? {} : { findings }),
      },
      findings,
    };
  }

  /** Ends the connection. */
  stop(): void {
    this.host.unplug();
  }

  async #run(operation: Operation | DeviceOperation): Promise<OpResult> {
    const { host } = this;
    switch (operation.op) {
      case "vfio_user_read":
        return { data: toHexBytes(await host.read(operation.region, operation.offset, operation.len)) };
      case "vfio_user_write":
        await host.write(operation.region, operation.offset, operation.data);
        return {};
      case "vfio_user_reset":
        await host.reset();
        return {};
      case "vfio_user_interrupts":
        return { vectors: await host.enableIrqs(operation.kind) };
      case "vfio_user_migrate": {
        const state = await host.saveState();
        await host.loadState(state);
        return { bytes: state.length };
      }
      case "vfio_user_wait":
        await this.#wait(operation.ms);
        return {};
      default: {
        const result = this.#runner.run(operation);
        await host.settle();
        // The guest must not take a mapping for made that the device does not have.
        const diverged = this.#state.findings.some(({ kind }) => kind === "divergence");
        return diverged && result.ret === 0 ? { ...result, ret: H_HARDWARE } : result;
      }
    }
  }

  #wait(milliseconds: number): Promise<void> {
    const timers = this.#timers;
    if (timers === undefined)
      throw new IommuError("UNSUPPORTED", "vfio_user_wait needs a clock: give timers");
    return new Promise((resolve) => {
      timers.after(milliseconds, resolve);
    });
  }
}

/** What came of the operation that runs. */
interface RunState {
  dma: DmaLine[];
  dmaCount: number;
  interrupts: number[];
  signals: { readonly kind: string; readonly vector: number; readonly times: number }[];
  findings: DeviceFinding[];
}
