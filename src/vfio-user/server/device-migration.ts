import { RefusedError } from "../peer.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import { MigrationState, migrationPath, migrationStateName } from "../protocol/migration-state.ts";
import type { MigrationModel } from "./device-model.ts";

const { STOP_COPY, PRE_COPY, RESUMING, RUNNING } = MigrationState;

/** The state of migration of a device, and the steps from one to the next. */
export class DeviceMigration {
  readonly #model: MigrationModel;
  #state: number = RUNNING;

  constructor(model: MigrationModel) {
    this.#model = model;
  }

  get state(): number {
    return this.#state;
  }

  get preCopy(): boolean {
    return this.#model.preCopy ?? false;
  }

  /**
   * Goes to a state, by all states on the way. When the device refuses one, it stays in the one before.
   *
   * @throws RefusedError EINVAL if there is no way
   */
  async set(target: number): Promise<void> {
    const path = migrationPath(this.#state, target, this.preCopy);
    if (path === undefined) {
      throw invalid(`no way from ${migrationStateName(this.#state)} to ${migrationStateName(target)}`);
    }
    for (const next of path) {
      await this.#model.enter?.(next, this.#state);
      this.#state = next;
    }
  }

  /** DEVICE_RESET makes it run again. */
  reset(): void {
    this.#state = RUNNING;
  }

  /** The next data of the device, at most so many bytes; fewer are the last ones. */
  save(bytes: number): Uint8Array {
    if (this.#state !== STOP_COPY && this.#state !== PRE_COPY) {
      throw invalid(`MIG_DATA_READ in ${migrationStateName(this.#state)}`);
    }
    return this.#model.save(bytes);
  }

  load(data: Uint8Array): void {
    if (this.#state !== RESUMING) throw invalid(`MIG_DATA_WRITE in ${migrationStateName(this.#state)}`);
    this.#model.load(data);
  }
}

const invalid = (what: string): RefusedError => new RefusedError(ErrnoNumber.EINVAL, what);
