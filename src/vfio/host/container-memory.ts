import { type Answer, isErrno } from "../../base/errno.ts";
import type { Host } from "./host.ts";
import type { HostMemory } from "./host-memory.ts";
import type { HostProcess } from "./host-process.ts";
import type { RegisteredRegion } from "./registered-memory.ts";

/**
 * What memory a container may map, and what it has charged for it: version 1
 * a whole window at once (ENABLE), version 2 the regions that were registered.
 */
export class ContainerMemory {
  /** MAP and UNMAP are allowed. */
  enabled = false;
  readonly #host: Host;
  /** Pages that ENABLE has charged. */
  #enabledPages = 0;
  /** Regions that this container holds. */
  readonly #regions = new Set<RegisteredRegion>();

  constructor(host: Host) {
    this.#host = host;
  }

  /** Charges a window as if it were full. */
  enable(caller: HostProcess, windowSize: bigint): Answer {
    if (this.enabled) return "EBUSY";
    const pages = Number(windowSize >> BigInt(this.#host.pageShift));
    if (!caller.charge(pages)) return "ENOMEM";
    this.#enabledPages = pages;
    this.enabled = true;
    return 0;
  }

  /** Mappings stay. */
  disable(memory: HostMemory | null): void {
    this.enabled = false;
    memory?.uncharge(this.#enabledPages);
    this.#enabledPages = 0;
  }

  /**
   * Registers memory, or takes part in what another container registered. The
   * first success enables MAP and UNMAP for good.
   *
   * @param start address, a multiple of the page size; so is `size`
   * @returns 0, or the number of pages pinned before a hole, with nothing registered (a quirk)
   */
  register(caller: HostProcess, start: number, size: number): Answer<number> {
    const errno = this.#host.faults.register.pass();
    if (errno !== undefined) return errno;
    const { registered } = caller.memory;
    const known = registered.exact(start, size);
    if (known !== undefined) {
      if (this.#regions.has(known)) return "EBUSY";
      known.uses++;
      this.#regions.add(known);
    } else {
      const pages = size / caller.memory.pageSize;
      if (!caller.charge(pages)) return "ENOMEM";
      const region = registered.create(start, size, this.#host.profile);
      if (isErrno(region) || typeof region === "number") {
        caller.uncharge(pages);
        return region;
      }
      this.#regions.add(region);
    }
    this.enabled = true;
    return 0;
  }

  /** Gives up exactly what was registered. */
  unregister(memory: HostMemory, start: number, size: number): Answer {
    const region = memory.registered.exact(start, size);
    if (region === undefined || !this.#regions.has(region)) return "ENOENT";
    const inUse = region.mapped > 0 && region.uses === 1;
    if (inUse && !this.#host.profile.unregisterIgnoresMappings) return "EBUSY";
    memory.registered.put(region);
    this.#regions.delete(region);
    return 0;
  }

  /** The end: gives up all regions and the account. */
  release(memory: HostMemory): void {
    for (const region of this.#regions) memory.registered.put(region);
    this.#regions.clear();
    this.disable(memory);
  }
}
