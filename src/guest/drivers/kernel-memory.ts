import { IommuError } from "../../base/errors.ts";
import type { AddressSpace } from "../../memory/address-space.ts";

/**
 * Memory of a guest's kernel that its drivers take their buffers from, by physical addresses. Memory that is given back is
 * given out again, newest first, as Linux's page allocator does.
 *
 * @public
 */
export class KernelMemory {
  readonly #space: AddressSpace;
  readonly #end: number;
  #next: number;
  /** By bytes and alignment: what was given back. */
  readonly #free = new Map<string, number[]>();

  /** @param range of the guest's physical addresses, which is the drivers' alone */
  constructor(space: AddressSpace, range: { readonly start: number; readonly end: number }) {
    this.#space = space;
    this.#next = range.start;
    this.#end = range.end;
  }

  /**
   * Takes memory; what is in it is what was there before.
   *
   * @param align a power of two
   * @returns its physical address
   * @throws IommuError LIMIT_EXCEEDED if there is no more
   */
  allocate(bytes: number, align = 4096): number {
    const again = this.#free.get(`${bytes} ${align}`)?.pop();
    if (again !== undefined) return again;
    const at = Math.ceil(this.#next / align) * align;
    if (at + bytes > this.#end)
      throw new IommuError("LIMIT_EXCEEDED", `no ${bytes} bytes are left of the drivers' memory`, { bytes });
    this.#next = at + bytes;
    return at;
  }

  /** Gives memory back that {@link allocate} gave for the same size and alignment. */
  free(physical: number, bytes: number, align = 4096): void {
    const key = `${bytes} ${align}`;
    const list = this.#free.get(key);
    if (list === undefined) this.#free.set(key, [physical]);
    else list.push(physical);
  }

  read(physical: number, into: Uint8Array): void {
    this.#space.read(BigInt(physical), into, null);
  }

  write(physical: number, from: Uint8Array): void {
    this.#space.write(BigInt(physical), from, null);
  }
}
