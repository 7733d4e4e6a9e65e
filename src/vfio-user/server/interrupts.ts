import { RefusedError } from "../peer.ts";
import type { PassedFile } from "../protocol/channel.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import { INTERRUPT_KINDS, type InterruptKind, IrqFlag, PciIrq, SetIrqs } from "../protocol/payloads.ts";
import type { PciDeviceModel } from "./device-model.ts";
import type { ServerProfile } from "./profile.ts";

/** Kinds of interrupts of a PCI device. */
export const IRQ_KINDS = 5;
const DATA_KINDS: readonly number[] = [IrqFlag.NONE, IrqFlag.BOOL, IrqFlag.EVENTFD];
const ACTIONS: readonly number[] = [IrqFlag.MASK, IrqFlag.UNMASK, IrqFlag.TRIGGER];
const DATA_BITS = 7;
const ACTION_BITS = 56;

/** What a DEVICE_SET_IRQS asks for. */
interface Request {
  readonly data: number;
  readonly action: number;
  readonly index: number;
  readonly start: number;
  readonly count: number;
}

/** Interrupts of a device, and the files that its host gave for them: to raise one is to signal its file. */
export class Interrupts {
  readonly #device: PciDeviceModel;
  readonly #profile: ServerProfile;
  /** By kind and vector. */
  readonly #files = new Map<string, PassedFile>();

  constructor(device: PciDeviceModel, profile: ServerProfile) {
    this.#device = device;
    this.#profile = profile;
  }

  /** How many interrupts of a kind the device has. */
  count(index: number): number {
    const { intx = false, msiVectors = 0, msix } = this.#device;
    if (index === PciIrq.INTX) return intx ? 1 : 0;
    if (index === PciIrq.MSI) return msiVectors;
    if (index === PciIrq.MSIX) return msix?.vectors ?? 0;
    return 1;
  }

  /**
   * DEVICE_SET_IRQS.
   *
   * @param files what came with it; they belong to this object if it does not throw
   * @throws RefusedError EINVAL
   */
  set(body: Uint8Array, files: readonly PassedFile[]): void {
    const { flags, index, start, count } = SetIrqs.read(body);
    const data = flags & DATA_BITS;
    const action = flags & ACTION_BITS;
    const there = index < IRQ_KINDS ? this.count(index) : 0;
    const isAll = data === IrqFlag.NONE && action === IrqFlag.TRIGGER && start === 0 && count === 0;
    const isPossible =
      DATA_KINDS.includes(data) &&
      ACTIONS.includes(action) &&
      flags === (data | action) &&
      there > 0 &&
      (action === IrqFlag.TRIGGER || (index < PciIrq.ERR && data !== IrqFlag.EVENTFD)) &&
      (isAll || (start < there && count <= there - start)) &&
      (files.length === 0 || (data === IrqFlag.EVENTFD && files.length === count));
    if (!isPossible) {
      const what = `DEVICE_SET_IRQS with flags ${flags} of kind ${index}`;
      throw new RefusedError(
        ErrnoNumber.EINVAL,
        `${what}: ${count} from ${start} on of ${there}, ${files.length} files`,
      );
    }
    const wanted = SetIrqs.tail(body, data === IrqFlag.BOOL ? count : 0);
    const request = { data, action, index, start, count };
    if (isAll) this.#take(index, 0, this.count(index));
    else if (data === IrqFlag.EVENTFD) this.#assign(request, files);
    else this.#act(request, wanted);
  }

  /**
   * Raises an interrupt by its file.
   *
   * @returns whether the host gave one
   */
  raise(kind: InterruptKind, vector: number): boolean {
    const file = this.#files.get(this.#key(INTERRUPT_KINDS.indexOf(kind), vector));
    file?.signal();
    return file !== undefined;
  }

  /** The host has left, and its files with it. */
  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }

  #assign({ index, start, count }: Request, files: readonly PassedFile[]): void {
    if (files.length === 0) {
      if (start === 0 || !this.#profile.takesIrqsFromFirstOnly) this.#take(index, start, count);
      return;
    }
    this.#take(index, start, count);
    files.forEach((file, i) => {
      this.#files.set(this.#key(index, start + i), file);
    });
  }

  #take(index: number, start: number, count: number): void {
    for (let vector = start; vector < start + count; vector++) {
      const key = this.#key(index, vector);
      this.#files.get(key)?.close();
      this.#files.delete(key);
    }
  }

  #act({ action, index, start, count, data }: Request, wanted: Uint8Array): void {
    for (let i = 0; i < count; i++) {
      if (data === IrqFlag.BOOL && wanted[i] === 0) continue;
      const vector = start + i;
      const kind = INTERRUPT_KINDS[index];
      if (action === IrqFlag.TRIGGER) this.#files.get(this.#key(index, vector))?.signal();
      else if (kind !== undefined) this.#device.masked?.(kind, vector, action === IrqFlag.MASK);
    }
  }

  #key(index: number, vector: number): string {
    const isShared = this.#profile.sharesIrqFiles && index < PciIrq.ERR;
    return isShared ? String(vector) : `${index}:${vector}`;
  }
}
