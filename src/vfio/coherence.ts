import { hex64, minBig, toBig } from "../base/u64.ts";
import type { FlatRange } from "../memory/flat-view.ts";
import type { TceView } from "../tce/tce-view.ts";
import type { Connection } from "./connection.ts";
import type { GuestIommu } from "./guest-iommu.ts";
import { GuestMemory } from "./guest-memory.ts";
import type { HostedMachine } from "./hosted-machine.ts";
import { UPPER_HALF } from "./listener.ts";
import type { PassedThroughDevice } from "./passed-through-device.ts";
import { Type1Container } from "./type1-container.ts";

/** A stretch of bus addresses that a device gets through to guest memory. */
interface Reach {
  readonly iova: bigint;
  readonly size: bigint;
  /** Guest address, or -1 for memory of the host that is not the guest's. */
  readonly target: bigint;
  readonly write: boolean;
}

/**
 * Two views of a mapping that do not agree.
 *
 * @public
 */
export interface Incoherence {
  /** The operation after which it was found. */
  readonly operation: string;
  readonly device: string;
  /**
   * `missing`: the guest has a mapping that the device lacks. `stale`: the
   * device has one that the guest does not have (any more). `wrong`: both have
   * one, to different places or with different rights. `notified`: a notifier was
   * notified of something else than the guest's table holds. `table`: user space and
   * KVM do not see the same table.
   */
  readonly kind: "missing" | "stale" | "wrong" | "notified" | "table";
  readonly iova: bigint;
  readonly expected: string;
  readonly actual: string;
}

/**
 * Compares all views of every mapping: the guest's table, KVM's, what notifiers
 * were notified of, and what the host's tables let a device reach. Costs what is mapped.
 *
 * @public
 */
export class Coherence {
  readonly #hosted: HostedMachine;

  constructor(hosted: HostedMachine) {
    this.#hosted = hosted;
  }

  /** The first difference after an operation, in the order of devices and addresses. */
  check(operation: string): Incoherence | undefined {
    for (const window of this.#hosted.machine.env.liobns) {
      if (window.fd === -1 || this.#hosted.kvm?.table(window.fd)?.entries === window.table) continue;
      const iova = window.busOffset;
      const expected = "the table of the window";
      return { operation, device: "-", kind: "table", iova, expected, actual: "another table in the kernel" };
    }
    for (const { listener } of this.#hosted.connections) {
      for (const iommu of listener.guestIommus) {
        const differing = this.#compareNotified(operation, iommu);
        if (differing !== undefined) return differing;
      }
    }
    for (const device of this.#hosted.devices) {
      const found = compareReach(this.#expected(device.connection), this.#actual(device));
      if (found !== undefined) return { operation, device: device.name, ...found };
    }
    return undefined;
  }

  /** Under KVM with tied tables nobody is notified of what the kernel handles. */
  #compareNotified(operation: string, iommu: GuestIommu): Incoherence | undefined {
    const window = [...this.#hosted.machine.env.liobns].find((other) => other.iommu === iommu.region);
    if (iommu.notified === null || window?.table == null || window.fd !== -1) return undefined;
    const { section } = iommu;
    const page = iommu.region.minPageSize;
    // Pages that the edge of the section cuts are notified in parts.
    const first = Number((section.offsetInRegion + page - 1n) / page);
    const end = Number((section.offsetInRegion + section.size) / page);
    const runs = (table: TceView): string[] => {
      const found: string[] = [];
      table.forEachRun(first, end, (...run: number[]) => found.push(run.join()));
      return found;
    };
    const expected = runs(window.table);
    const actual = runs(iommu.notified);
    const at = expected.findIndex((run, i) => run !== actual[i]);
    if (at < 0 && actual.length === expected.length) return undefined;
    const place = at < 0 ? expected.length : at;
    const entry = Number((expected[place] ?? actual[place])!.split(",")[0]);
    return {
      operation,
      device: window.owner,
      kind: "notified",
      iova: window.busOffset + BigInt(entry) * page,
      expected: expected[place] ?? "nothing",
      actual: actual[place] ?? "nothing",
    };
  }

  /**
   * What a device should reach: the valid entries of what is visible of each
   * window, as far as they are memory; also of a window that the container could not serve.
   */
  #expected({ phb }: Connection): Reach[] {
    const reaches: Reach[] = [];
    for (const section of phb.addressSpace.view.ranges) this.#expectedOf(section, reaches);
    return joined(reaches);
  }

  #expectedOf(section: FlatRange, into: Reach[]): void {
    const { machine } = this.#hosted;
    const window = [...machine.env.liobns].find((other) => other.iommu === section.region.iommu);
    // What begins in the upper half of the bus is nothing that listeners serve.
    if (window?.table == null || section.address >= UPPER_HALF) return;
    const page = 1n << BigInt(window.pageShift);
    const sectionEnd = section.offsetInRegion + section.size;
    const memory = new GuestMemory();
    window.table.forEachRun(0, window.entries, (first, pages, hi, lo, perm) => {
      const target = toBig(hi, lo);
      for (let done = 0; done < pages; ) {
        const { view } = machine.systemMemory;
        memory.findAt(view, target + BigInt(done) * page, Number(page), pages - done);
        const start = BigInt(first + done) * page;
        const end = minBig(start + BigInt(memory.pages) * page, sectionEnd);
        const skip = section.offsetInRegion > start ? section.offsetInRegion - start : 0n;
        if (memory.ram !== null && start + skip < end) {
          into.push({
            iova: section.address - section.offsetInRegion + start + skip,
            size: end - start - skip,
            target: memory.address + skip,
            write: (perm & 2) !== 0 && !memory.readonly,
          });
        }
        done += memory.pages;
      }
    });
  }

  /** What a device reaches through the host's tables. */
  #actual({ connection, group }: PassedThroughDevice): Reach[] {
    const hosted = this.#hosted;
    const reaches: Reach[] = [];
    if (connection.container instanceof Type1Container) {
      for (const { iova, size, vaddr, readonly } of connection.container.mappings) {
        reaches.push({
          iova,
          size,
          target: hosted.memory.guestMemoryAt(vaddr)?.address ?? -1n,
          write: !readonly,
        });
      }
      return joined(reaches);
    }
    for (const table of hosted.host.groups[group]!.iommu.windows) {
      table?.entries.forEachRun(0, table.length, (first, pages, hi, lo, perm) => {
        const page = BigInt(table.pageSize);
        const iova = table.start + BigInt(first) * page;
        const size = BigInt(pages) * page;
        // What follows each other in the host's memory need not do so in the guest's.
        for (let done = 0n; done < size; ) {
          const vaddr = hosted.host.physical.vaddrOf(hi * 2 ** 32 + lo + Number(done));
          const memory = vaddr === undefined ? undefined : hosted.memory.guestMemoryAt(BigInt(vaddr));
          const bytes = minBig(memory?.size ?? page, size - done);
          const target = memory?.address ?? -1n;
          reaches.push({ iova: iova + done, size: bytes, target, write: (perm & 2) !== 0 });
          done += bytes;
        }
      });
    }
    return joined(reaches);
  }
}

/** Sorts, and joins what goes on. */
function joined(reaches: Reach[]): Reach[] {
  const result: Reach[] = [];
  for (const reach of reaches.sort((a, b) => (a.iova < b.iova ? -1 : 1))) {
    const last = result.at(-1);
    if (
      last !== undefined &&
      last.iova + last.size === reach.iova &&
      last.target + last.size === reach.target &&
      last.write === reach.write
    ) {
      result[result.length - 1] = { ...last, size: last.size + reach.size };
    } else {
      result.push(reach);
    }
  }
  return result;
}

function compareReach(
  expected: readonly Reach[],
  actual: readonly Reach[],
): Pick<Incoherence, "kind" | "iova" | "expected" | "actual"> | undefined {
  const count = Math.max(expected.length, actual.length);
  for (let i = 0; i < count; i++) {
    const want = expected[i];
    const have = actual[i];
    if (want !== undefined && have !== undefined && sameReach(want, have)) continue;
    return firstDifference(want, have);
  }
  return undefined;
}

const sameReach = (a: Reach, b: Reach): boolean =>
  a.iova === b.iova && a.size === b.size && a.target === b.target && a.write === b.write;

function firstDifference(
  want: Reach | undefined,
  have: Reach | undefined,
): Pick<Incoherence, "kind" | "iova" | "expected" | "actual"> {
  const texts = { expected: show(want), actual: show(have) };
  if (want === undefined || (have !== undefined && have.iova < want.iova)) {
    return { kind: "stale", iova: have!.iova, ...texts };
  }
  if (have === undefined || want.iova < have.iova) return { kind: "missing", iova: want.iova, ...texts };
  if (want.target !== have.target || want.write !== have.write)
    return { kind: "wrong", iova: want.iova, ...texts };
  // The same beginning, but one goes on for longer.
  return want.size > have.size
    ? { kind: "missing", iova: want.iova + have.size, ...texts }
    : { kind: "stale", iova: want.iova + want.size, ...texts };
}

const show = (reach: Reach | undefined): string =>
  reach === undefined
    ? "nothing"
    : `${hex64(reach.iova)} + 0x${reach.size.toString(16)} -> ${reach.target < 0n ? "not the guest's memory" : hex64(reach.target)} ${reach.write ? "rw" : "r-"}`;
