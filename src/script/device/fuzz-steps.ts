import type { Permission } from "../../base/permission.ts";
import type { Random } from "../../base/random.ts";
import { hex } from "../../base/u64.ts";
import { toHexBytes } from "../../formats/op-script/fields.ts";
import type { FuzzRegister, FuzzTarget } from "./fuzz-target.ts";

const PAGE = 4096;
/** Pages of the window that are used: few, so that steps meet. */
const PAGES = 16;
const MOST_PAGES = 4;
const LIOBN = "0x80000000";
/** Where in guest memory pages lead. */
const TARGET = 0x20_0000n;
const TARGET_PAGES = 256;
const PERMISSIONS: readonly (readonly [weight: number, perm: Permission])[] = [
  [6, 3],
  [2, 1],
  [2, 2],
];
const CONFIG = 7;
const COMMAND = 4;
const MEMORY_AND_BUS_MASTER = "0600";
const MEMORY_ONLY = "0200";
/** Milliseconds in which nothing is asked of the device, so that what it does late is seen. */
const WAITS: readonly number[] = [1, 10];
/** Bytes of one register read. */
const READ_LENGTHS: readonly number[] = [1, 2, 4, 8, 12, 16, 64];

/** One thing that a guest or a driver does, right if it comes after the others. */
export type FuzzStep =
  | {
      readonly step: "map";
      readonly page: number;
      readonly pages: number;
      readonly perm: Permission;
      readonly target: bigint;
    }
  | { readonly step: "unmap"; readonly page: number; readonly pages: number }
  | {
      readonly step: "transfer";
      readonly offset: number;
      readonly bytes: number;
      readonly value: number;
      readonly needs: number;
    }
  | { readonly step: "write"; readonly register: FuzzRegister; readonly value: number }
  | { readonly step: "read"; readonly offset: number; readonly bytes: number }
  | { readonly step: "reset" }
  | { readonly step: "wait"; readonly ms: number }
  | { readonly step: "bus-master"; readonly on: boolean };

/** What a driver has to know so that it makes no mistake of its own. */
export class DriverModel {
  readonly perms: number[] = new Array<number>(PAGES).fill(0);
  busMaster = false;

  /** Does a step, if a driver may do it now; false if it may not. */
  take(step: FuzzStep): boolean {
    switch (step.step) {
      case "map":
        this.perms.fill(step.perm, step.page, step.page + step.pages);
        return true;
      case "unmap":
        this.perms.fill(0, step.page, step.page + step.pages);
        return true;
      case "transfer":
        return this.busMaster && this.#permits(step.offset, step.bytes, step.needs);
      case "reset":
        // A device may clear its COMMAND register.
        this.busMaster = false;
        return true;
      case "bus-master":
        this.busMaster = step.on;
        return true;
      default:
        return true;
    }
  }

  #permits(offset: number, bytes: number, needs: number): boolean {
    const first = Math.floor(offset / PAGE);
    const end = Math.ceil((offset + bytes) / PAGE);
    return this.perms.slice(first, end).every((perm) => (perm & needs) === needs);
  }
}

/** Does a driver that does these steps make no mistake? */
export function isCorrectDriver(steps: readonly FuzzStep[]): boolean {
  const model = new DriverModel();
  return steps.every((step) => model.take(step));
}

/**
 * A random list of steps, each of which a driver may do.
 *
 * @param hasClock it can be waited
 */
export function randomSteps(
  random: Random,
  count: number,
  target: FuzzTarget | undefined,
  hasClock: boolean,
): FuzzStep[] {
  const model = new DriverModel();
  const steps: FuzzStep[] = [];
  while (steps.length < count) {
    const step = randomStep(random, model, target, hasClock);
    if (step !== undefined && model.take(step)) steps.push(step);
  }
  return steps;
}

function randomStep(
  random: Random,
  model: DriverModel,
  target: FuzzTarget | undefined,
  hasClock: boolean,
): FuzzStep | undefined {
  const kind = random.weighted([
    [4, "map"],
    [3, "unmap"],
    [6, "transfer"],
    [2, "write"],
    [2, "read"],
    [1, "reset"],
    [hasClock ? 2 : 0, "wait"],
    [model.busMaster ? 1 : 6, "bus-master"],
  ] as const);
  switch (kind) {
    case "map": {
      const pages = 1 + random.below(MOST_PAGES);
      return {
        step: "map",
        page: random.below(PAGES - pages + 1),
        pages,
        perm: random.weighted(PERMISSIONS),
        target: TARGET + BigInt(random.below(TARGET_PAGES) * PAGE),
      };
    }
    case "unmap": {
      const pages = 1 + random.below(MOST_PAGES);
      return { step: "unmap", page: random.below(PAGES - pages + 1), pages };
    }
    case "transfer":
      return target === undefined ? undefined : randomTransfer(random, model, target);
    case "write": {
      if (target === undefined || target.kicks.length === 0) {
        const register = { offset: random.below(64) * 4, bytes: 4 } as const;
        return { step: "write", register, value: random.pick([0, 1, 2, random.below(2 ** 32)]) };
      }
      const { value, ...register } = random.pick(target.kicks);
      return { step: "write", register, value };
    }
    case "read":
      return { step: "read", offset: random.below(16) * 4, bytes: random.pick(READ_LENGTHS) };
    case "reset":
      return { step: "reset" };
    case "wait":
      return { step: "wait", ms: random.pick(WAITS) };
    case "bus-master":
      return { step: "bus-master", on: !model.busMaster };
  }
}

/** A transfer within pages that permit it, most often one; half of them end with the last one. */
function randomTransfer(random: Random, model: DriverModel, target: FuzzTarget): FuzzStep | undefined {
  const { value, needs } = random.pick(target.command.values);
  const permits = (page: number): boolean => ((model.perms[page] ?? 0) & needs) === needs;
  const pages = model.perms.flatMap((_, page) => (permits(page) ? [page] : []));
  if (pages.length === 0) return undefined;
  const page = random.pick(pages);
  let end = page + 1;
  while (permits(end) && end - page < MOST_PAGES && random.chance(0.5)) end++;
  const start = random.pick([0, random.below(PAGE)]);
  const most = Math.min((end - page) * PAGE - start, target.length.max);
  const bytes = random.chance(0.5) ? most : 1 + random.below(most);
  return { step: "transfer", offset: page * PAGE + start, bytes, value, needs };
}

/** A line of an op script. */
export type ScriptObject = Readonly<Record<string, unknown>>;

/**
 * The lines of an op script for a step.
 *
 * @param base bus address of the window
 */
export function linesOf(step: FuzzStep, base: bigint, target: FuzzTarget | undefined): ScriptObject[] {
  const ioba = (page: number): string => hex(base + BigInt(page * PAGE));
  const put = (page: number, pages: number, tce: bigint): ScriptObject =>
    pages === 1
      ? { op: "h_put_tce", liobn: LIOBN, ioba: ioba(page), tce: hex(tce) }
      : { op: "h_stuff_tce", liobn: LIOBN, ioba: ioba(page), tce: hex(tce), npages: pages };
  const region = target?.region ?? 0;
  const write = ({ offset, bytes }: FuzzRegister, value: bigint): ScriptObject => ({
    op: "vfio_user_write",
    region,
    offset: hex(offset),
    data: littleEndian(value, bytes),
  });
  switch (step.step) {
    case "map":
      return [put(step.page, step.pages, step.target | BigInt(step.perm))];
    case "unmap":
      return [put(step.page, step.pages, 0n)];
    case "transfer":
      return [
        write(target!.address, base + BigInt(step.offset)),
        write(target!.length, BigInt(step.bytes)),
        write(target!.command, BigInt(step.value)),
      ];
    case "write":
      return [write(step.register, BigInt(step.value))];
    case "read":
      return [{ op: "vfio_user_read", region, offset: hex(step.offset), len: step.bytes }];
    case "reset":
      return [{ op: "vfio_user_reset" }];
    case "wait":
      return [{ op: "vfio_user_wait", ms: step.ms }];
    case "bus-master": {
      const data = step.on ? MEMORY_AND_BUS_MASTER : MEMORY_ONLY;
      return [{ op: "vfio_user_write", region: CONFIG, offset: hex(COMMAND), data }];
    }
  }
}

function littleEndian(value: bigint, bytes: number): string {
  const all = new Uint8Array(8);
  new DataView(all.buffer).setBigUint64(0, value, true);
  return toHexBytes(all.subarray(0, bytes));
}
