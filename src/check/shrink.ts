import { IommuError } from "../base/errors.ts";
import { hex, toBig } from "../base/u64.ts";
import { OpRunner } from "../formats/op-script/run.ts";
import { parseOpScript } from "../formats/op-script/script.ts";
import {
  DDW_CREATE,
  DDW_REMOVE,
  DDW_RESET,
  GET,
  INDIRECT,
  PUT,
  STUFF,
  type TraceEvent,
  XLATE,
} from "../formats/trace/trace-event.ts";
import { Hcall, PCI_LIOBN_FLAG } from "../spapr/papr.ts";
import type { CheckOptions } from "./check-options.ts";
import type { Finding } from "./finding.ts";
import { checkOpScript } from "./script-check.ts";

/** Operations of one window that are tried; a trace that needs more cannot be shrunk. */
const MAX_OPERATIONS = 20_000;
/** Where scripts put lists. */
const LIST_ADDRESS = "0x200000";
/** RAM comes in blocks of 256 MiB. */
const RAM_BLOCK = 0x1000_0000n;
const DEFAULT_RAM = 0x4000_0000n;

type Operation = Readonly<Record<string, unknown>>;

/** What a finding is, apart from where it stands. */
export interface Target {
  readonly finding: Finding;
  /** log2 of the page size of its window. */
  readonly pageShift: number;
  readonly busOffset: bigint;
}

/**
 * Collects from a trace what can have to do with a finding: calls that touch
 * its pages, translations of them, and what windows went through.
 */
export class ShrinkInput {
  readonly operations: Operation[] = [];
  readonly #target: Target;
  readonly #first: bigint;
  readonly #end: bigint;

  constructor(target: Target) {
    const { finding, pageShift } = target;
    if (finding.liobn === undefined || finding.ioba === undefined) {
      throw new IommuError(
        "UNSUPPORTED",
        `a finding of the kind ${finding.kind} is about no window: nothing to shrink`,
      );
    }
    this.#target = target;
    this.#first = finding.ioba;
    this.#end = finding.ioba + (BigInt(Math.max(1, finding.pages)) << BigInt(pageShift));
  }

  /** @throws IommuError LIMIT_EXCEEDED if too many calls touch the pages */
  take(event: TraceEvent): void {
    const operation = this.#operationOf(event);
    if (operation === undefined) return;
    if (this.operations.length >= MAX_OPERATIONS) {
      throw new IommuError(
        "LIMIT_EXCEEDED",
        `more than ${MAX_OPERATIONS} calls touch the pages of the finding`,
      );
    }
    this.operations.push(operation);
  }

  #operationOf(event: TraceEvent): Operation | undefined {
    switch (event.kind) {
      case DDW_CREATE:
        return rtas("ibm,create-pe-dma-window", event, 4, [
          log2(event.pageSizeHi, event.pageSizeLo),
          log2(event.windowSizeHi, event.windowSizeLo),
        ]);
      case DDW_RESET:
        return rtas("ibm,reset-pe-dma-window", event, 1, []);
      case DDW_REMOVE:
        return { op: "rtas", name: "ibm,remove-pe-dma-window", args: [event.liobn], nret: 1 };
      default:
        return event.liobn === this.#target.finding.liobn ? this.#callOf(event) : undefined;
    }
  }

  #callOf(event: TraceEvent): Operation | undefined {
    const liobn = hex(event.liobn);
    const ioba = toBig(event.iobaHi, event.iobaLo);
    const tce = hex(toBig(event.tceHi, event.tceLo));
    const result = { ret: event.ret };
    switch (event.kind) {
      case PUT:
        return this.#touches(ioba, 1) ? { op: "h_put_tce", liobn, ioba: hex(ioba), tce, result } : undefined;
      case GET: {
        const answer = event.ret === 0 ? { ...result, tce } : result;
        return this.#touches(ioba, 1)
          ? { op: "h_get_tce", liobn, ioba: hex(ioba), result: answer }
          : undefined;
      }
      case STUFF: {
        const pages = event.pagesLo;
        const start = event.ret === 0 ? ioba - (BigInt(pages) << BigInt(this.#target.pageShift)) : ioba;
        if (!this.#touches(start, pages)) return undefined;
        return { op: "h_stuff_tce", liobn, ioba: hex(start), tce, npages: hex(pages), result };
      }
      case INDIRECT:
        return this.#touches(ioba, event.lastLo + 1) ? this.#listOf(event, ioba, result) : undefined;
      case XLATE:
        return this.#dmaOf(event, ioba);
      default:
        return undefined;
    }
  }

  #touches(ioba: bigint, pages: number): boolean {
    return ioba < this.#end && ioba + (BigInt(pages) << BigInt(this.#target.pageShift)) > this.#first;
  }

  /** A list prints its last entry; the others are what they would be if it were linear. */
  #listOf(event: TraceEvent, ioba: bigint, result: Operation): Operation {
    const last = toBig(event.tceHi, event.tceLo);
    const step = 1n << BigInt(this.#target.pageShift);
    const list = Array.from({ length: Math.min(event.lastLo + 1, 512) }, (_entry, i) =>
      hex(BigInt.asUintN(64, last - (last & 3n ? step * BigInt(event.lastLo - i) : 0n))),
    );
    const op = "h_put_tce_indirect";
    return { op, liobn: hex(event.liobn), ioba: hex(ioba), listAddr: LIST_ADDRESS, list, result };
  }

  /** A translation: what it found is read back; one that failed is a DMA that fails. */
  #dmaOf(event: TraceEvent, offset: bigint): Operation | undefined {
    const { busOffset, finding } = this.#target;
    const ioba = busOffset + offset;
    if (!this.#touches(ioba, 1)) return undefined;
    const after = finding.kind === "dma-after-unmap" || event.perm === 0;
    if (after && event.liobn >= PCI_LIOBN_FLAG) {
      return { op: "dma_read", phb: (event.liobn - PCI_LIOBN_FLAG) >>> 8, iova: hex(ioba), len: 4 };
    }
    const tce = hex(toBig(event.tceHi, (event.tceLo | event.perm) >>> 0));
    return { op: "h_get_tce", liobn: hex(event.liobn), ioba: hex(ioba), result: { ret: 0, tce } };
  }
}

/**
 * Reduces operations to a few that still show the finding, by leaving out ever
 * smaller parts (delta debugging): no single one of the rest can go.
 *
 * @returns the lines of an op script, which real QEMU can run
 * @throws IommuError UNSUPPORTED if the operations do not show the finding by themselves
 */
export function shrink(operations: readonly Operation[], target: Target, options: CheckOptions): string[] {
  const header = headerOf(operations, target);
  const textOf = (part: readonly Operation[]): string =>
    [header, ...part].map((line) => JSON.stringify(line)).join("\n");
  const shows = (part: readonly Operation[]): boolean =>
    target.finding.kind === "leak"
      ? staysMapped(textOf(part), target)
      : checkOpScript(textOf(part), "shrunk.jsonl", options).findings.some(
          ({ kind, liobn, ioba }) =>
            kind === target.finding.kind && liobn === target.finding.liobn && ioba === target.finding.ioba,
        );
  if (!shows(operations)) {
    throw new IommuError(
      "UNSUPPORTED",
      `the calls on the pages of this finding (${target.finding.kind}) do not show it by themselves`,
    );
  }
  let rest = [...operations];
  for (let size = Math.ceil(rest.length / 2); size >= 1; ) {
    const before = rest.length;
    for (let at = 0; at < rest.length; ) {
      const without = rest.toSpliced(at, size);
      if (shows(without)) rest = without;
      else at += size;
    }
    if (size === 1 && rest.length === before) break;
    size = size === 1 ? 1 : Math.ceil(size / 2);
  }
  return [JSON.stringify(header), ...rest.map((operation) => JSON.stringify(operation))];
}

/**
 * A leak is one for its age, which a few operations cannot have: what they show
 * is the mapping that nobody takes away.
 */
function staysMapped(text: string, { finding }: Target): boolean {
  const script = parseOpScript(text, "shrunk.jsonl");
  const runner = new OpRunner(script.config);
  for (const { operation } of script.lines) runner.run(operation);
  const { status, registers } = runner.machine.call(Hcall.GET_TCE, finding.liobn!, finding.ioba!);
  return status === 0 && (registers.get(4) & 3n) !== 0n;
}

/** A machine with the bridges, devices and memory that the operations need. */
function headerOf(operations: readonly Operation[], { finding }: Target): Operation {
  const liobn = finding.liobn!;
  const last = liobn < PCI_LIOBN_FLAG ? 0 : (liobn - PCI_LIOBN_FLAG) >>> 8;
  let ram = DEFAULT_RAM;
  for (const { tce } of operations) {
    // With no need for memory beyond the target; lists are not looked at.
    const target = typeof tce === "string" ? BigInt(tce) : 0n;
    if (target >= ram && target < 1n << 36n) ram = (target / RAM_BLOCK + 1n) * RAM_BLOCK;
  }
  const indexes = last === 0 ? [0] : [0, last];
  return {
    header: 1,
    title: `${finding.kind} at ${hex(finding.ioba!)} of LIOBN ${hex(liobn)}`,
    ramSize: hex(ram),
    phbs: indexes.map((index) => ({ index })),
    vio: liobn < PCI_LIOBN_FLAG ? [`spapr-vlan,reg=${hex(liobn)}`] : [],
  };
}

const log2 = (hi: number, lo: number): number => (hi === 0 ? 31 - Math.clz32(lo) : 63 - Math.clz32(hi));

const rtas = (name: string, event: TraceEvent, nret: number, more: readonly number[]): Operation => ({
  op: "rtas",
  name,
  args: [event.configAddress, event.buidHi, event.buidLo, ...more],
  nret,
});
