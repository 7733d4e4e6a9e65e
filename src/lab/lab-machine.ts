import { IommuError } from "../base/errors.ts";
import { Coherence, type Incoherence } from "../vfio/coherence.ts";
import type { FaultPoint } from "../vfio/host/faults.ts";
import { HostedMachine, type HostedMachineConfig } from "../vfio/hosted-machine.ts";
import type { PassedThroughDevice } from "../vfio/passed-through-device.ts";
import type { ReportCheck, ScenarioContext } from "./scenario.ts";

/**
 * A machine of a scenario on its host: counts what the host's kernel is asked
 * for, and compares all views of every mapping after each operation, if the
 * user wants that (`--coherence`).
 */
export class LabMachine {
  readonly title: string;
  readonly hosted: HostedMachine;
  /** What QEMU would have stopped with, in order. */
  readonly fatal: string[] = [];
  /** The first difference between the views. */
  incoherence: Incoherence | undefined;
  readonly #coherence: Coherence | null;
  readonly #requests: Partial<Record<FaultPoint, number>> = {};

  /** @param title names the machine in checks and tables */
  constructor(context: ScenarioContext, title: string, config: HostedMachineConfig) {
    this.title = title;
    this.hosted = new HostedMachine({
      ...(context.profile === undefined ? {} : { profile: context.profile }),
      ...config,
      coherence: context.coherence,
      faults: (point, count) => {
        this.#requests[point] = count + 1;
        return context.faults?.(point, count);
      },
    });
    this.#coherence = context.coherence ? new Coherence(this.hosted) : null;
    this.hosted.machine.observer.hazard = ({ what }) => this.fatal.push(what);
  }

  /** How often the host's kernel got to such a point, over all time. */
  requests(point: FaultPoint): number {
    return this.#requests[point] ?? 0;
  }

  /**
   * Plugs the device of a group.
   *
   * @throws IommuError UNSUPPORTED if that fails, for scenarios that go no further then
   */
  plug(group: number, phbIndex = 0): PassedThroughDevice {
    const result = this.hosted.plug(group, phbIndex);
    if (!result.ok) {
      throw new IommuError(
        "UNSUPPORTED",
        `${this.title}: group ${group} cannot be plugged: ${result.error}`,
        {
          group,
        },
      );
    }
    this.after(`plug group ${group}`);
    return result.device;
  }

  /** To be called after an operation: looks for a difference, unless there is one already. */
  after(operation: string): void {
    this.incoherence ??= this.#coherence?.check(operation);
  }

  /** The check for the report; none if the user did not ask for it. */
  coherenceChecks(): ReportCheck[] {
    if (this.#coherence === null) return [];
    const found = this.incoherence;
    return [
      {
        name: `all views agree after each operation: ${this.title}`,
        ok: found === undefined,
        detail: found === undefined ? "no difference" : formatIncoherence(found),
      },
    ];
  }
}

/** A difference as a sentence. */
export const formatIncoherence = ({ operation, device, kind, expected, actual }: Incoherence): string =>
  `after ${operation}: ${device}: ${kind}: expected ${expected}, found ${actual}`;
