/** What waits for a mapping, and where. */
export interface AtAddress {
  /** May change, but never beyond that of another one of its device. */
  readonly last: bigint;
}

/**
 * Addresses of devices that wait for a mapping: in order, so that a mapping looks for those that it has, and not at all
 * that wait.
 */
export class WaitingAddresses<Waiting extends AtAddress> {
  readonly #byDevice = new Map<string, Waiting[]>();

  get isEmpty(): boolean {
    return this.#byDevice.size === 0;
  }

  add(device: string, waiting: Waiting): void {
    const all = this.#byDevice.get(device);
    if (all === undefined) this.#byDevice.set(device, [waiting]);
    else all.splice(firstFrom(all, waiting.last), 0, waiting);
  }

  /** Takes out those of a device in a range of addresses, both ends included. */
  take(device: string, first: bigint, last: bigint): readonly Waiting[] {
    const all = this.#byDevice.get(device);
    if (all === undefined) return [];
    const from = firstFrom(all, first);
    const taken = all.splice(from, firstFrom(all, last + 1n) - from);
    if (all.length === 0) this.#byDevice.delete(device);
    return taken;
  }

  clear(): void {
    this.#byDevice.clear();
  }
}

/** Where the first one at an address or behind it stands. */
function firstFrom(sorted: readonly AtAddress[], address: bigint): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (sorted[middle]!.last < address) from = middle + 1;
    else to = middle;
  }
  return from;
}
