import { Random } from "../../base/random.ts";
import { hex, U64_MAX } from "../../base/u64.ts";
import { JsonLine } from "../../formats/json-lines.ts";
import { parseOperation } from "../../formats/op-script/parse-operation.ts";
import { type OpScript, parseOpScript } from "../../formats/op-script/script.ts";
import { OpRunner } from "../../script/op/run.ts";
import type { DmaWindow } from "../../spapr/dma-window.ts";
import type { PhbConfig } from "../../spapr/phb.ts";
import { RandomDdwCalls, type RawOperation, rtas, unitOf } from "./ddw-calls.ts";
import { randomBridges } from "./machine.ts";
import { RandomValues } from "./values.ts";

/** Entries that one H_STUFF_TCE may store: whole large tables take QEMU too long. */
const MAX_STUFFED = 0x8_0000;
/** Entries of a window that is read whole. */
const MAX_SCANNED = 0x8000;
const VIO_REG = 0x7100_0003;
const LIST_ADDRESS = 0x20_0000n;
/** The bridge's MSI page hides what windows have there. */
const MSI = { first: 0x3ff_ffff_f000n, end: 0x400_0000_2000n } as const;

/** What kind of script is wanted. */
export interface RandomScriptOptions {
  readonly seed: number;
  readonly operations: number;
  /** With DMA of test devices. QEMU's clock then counts instructions, which is slower. */
  readonly dma: boolean;
  readonly profile: string;
}

/**
 * Makes a random script that knows the machine's state: it is carried out on the
 * engine while it is made, so that most operations hit windows that exist, and
 * addresses that were used before. What has no defined answer is left out.
 */
export function randomScript(options: RandomScriptOptions): OpScript {
  const random = new Random(options.seed);
  const header = randomHeader(random, options.dma);
  const file = `random seed ${options.seed}`;
  const empty = parseOpScript(JSON.stringify(header), file);
  const writer = new ScriptWriter(random, { ...empty.config, profile: options.profile }, options.dma);
  const lines = [JSON.stringify(header)];
  while (lines.length <= options.operations) {
    for (const operation of writer.next()) {
      if (lines.length > options.operations) break;
      lines.push(JSON.stringify(operation));
      writer.carryOut(operation, file, lines.length);
    }
  }
  return parseOpScript(lines.join("\n"), file);
}

function randomHeader(random: Random, dma: boolean): RawOperation {
  const phbs = randomBridges(random, dma).map((bridge) => showBridge(bridge));
  const vio = !dma && random.chance(0.2) ? [`spapr-vlan,reg=${hex(VIO_REG)}`] : [];
  return { header: 1, machine: "pseries", phbs, ...(vio.length > 0 ? { vio } : {}) };
}

const showBridge = (bridge: PhbConfig): RawOperation =>
  Object.fromEntries(
    Object.entries(bridge).map(([key, value]) => [key, typeof value === "bigint" ? hex(value) : value]),
  );

/** Writes one operation after the other, each for the state that the ones before have made. */
class ScriptWriter {
  readonly #random: Random;
  readonly #runner: OpRunner;
  readonly #values: RandomValues;
  readonly #ddw: RandomDdwCalls;
  readonly #bridgeIndexes: readonly number[];
  /** Lists that lie in guest memory. */
  readonly #lists: bigint[] = [];
  readonly #actions: readonly (readonly [weight: number, action: () => RawOperation[]])[];

  constructor(random: Random, config: OpScript["config"], dma: boolean) {
    this.#random = random;
    this.#runner = new OpRunner(config);
    this.#values = new RandomValues(random, this.#runner.machine, dma);
    this.#ddw = new RandomDdwCalls(random, this.#runner.machine, dma);
    this.#bridgeIndexes = this.#runner.machine.phbs.map((phb) => phb.index);
    const ifDma = (weight: number): number => (dma ? weight : 0);
    this.#actions = [
      [300, () => this.#put()],
      [170, () => this.#get()],
      [90, () => this.#indirect()],
      [70, () => this.#stuff()],
      [60, () => this.#scan()],
      [2, () => this.#fullScan()],
      [40, () => [this.#ddw.query(this.#ddw.bridge())]],
      [75, () => this.#ddw.create()],
      [55, () => this.#ddw.remove()],
      [18, () => [rtas("ibm,reset-pe-dma-window", unitOf(this.#ddw.bridge()), 1)]],
      [25, () => this.#ddw.badCall()],
      [3, () => [{ op: "system_reset" }]],
      [3, () => this.#treeProperty()],
      [2, () => [rtas("quiesce", [], 1)]],
      [
        ifDma(20),
        () => [{ op: "write_mem", addr: hex(this.#values.dmaMemory()), data: this.#values.bytes(24) }],
      ],
      [ifDma(30), () => [{ op: "read_mem", addr: hex(this.#values.dmaMemory()), len: 1 + random.below(64) }]],
      [ifDma(250), () => this.#transfer()],
    ];
  }

  next(): RawOperation[] {
    return this.#random.weighted(this.#actions)();
  }

  carryOut(operation: RawOperation, file: string, number: number): void {
    const line = new JsonLine(file, number, JSON.stringify(operation));
    this.#runner.run(parseOperation(line, this.#bridgeIndexes, false));
  }

  #put(): RawOperation[] {
    const { window, liobn, ioba } = this.#target();
    const put = { op: "h_put_tce", liobn, ioba, tce: hex(this.#values.tce()) };
    return window === undefined && this.#random.chance(0.5) ? this.#ddw.create() : [put];
  }

  #get(): RawOperation[] {
    const { liobn, ioba } = this.#target();
    return [{ op: "h_get_tce", liobn, ioba }];
  }

  #target(): { window: DmaWindow | undefined; liobn: string; ioba: string } {
    const window = this.#values.window();
    return { window, liobn: hex(this.#values.liobn(window)), ioba: hex(this.#values.ioba(window)) };
  }

  #indirect(): RawOperation[] {
    const random = this.#random;
    const { liobn, ioba } = this.#target();
    const count = Math.min(this.#values.count(512), 514);
    const { listAddr, list } = this.#list(count);
    const npages = random.chance(0.02)
      ? random.pick([513n, 1n << 32n, (1n << 32n) + 2n, U64_MAX, 1n << 63n, 1000n])
      : BigInt(count);
    const call = { op: "h_put_tce_indirect", liobn, ioba, listAddr: hex(listAddr), npages: hex(npages) };
    return [list === undefined ? call : { ...call, list: list.map(hex) }];
  }

  /** A list of TCEs: a new one, one that lies in memory, one in a wrong place, or none. */
  #list(count: number): { listAddr: bigint; list?: readonly bigint[] } {
    const random = this.#random;
    if (random.chance(0.01)) {
      return { listAddr: random.pick([0x1000_0000n, 0x4000_0000n, 1n << 44n, 1n << 63n, 0x3ff_f000n]) };
    }
    const unaligned = random.chance(0.03) ? BigInt(1 + random.below(4095)) : 0n;
    if (this.#lists.length > 0 && (unaligned !== 0n || random.chance(0.3))) {
      return { listAddr: random.pick(this.#lists) + unaligned };
    }
    const listAddr = LIST_ADDRESS + 0x1000n * BigInt(random.below(64));
    const length = random.chance(0.9) ? Math.min(count, 512) : 1 + random.below(16);
    if (length === 0) return { listAddr };
    this.#lists.push(listAddr);
    return { listAddr, list: Array.from({ length }, () => this.#values.tce()) };
  }

  #stuff(): RawOperation[] {
    const random = this.#random;
    const { window, liobn, ioba } = this.#target();
    const entries = window?.entries ?? 16;
    let count = this.#values.count(entries);
    if (entries <= MAX_STUFFED / 2 && random.chance(0.05)) count = entries;
    // More than the table has is refused at once; many, but not too many, take QEMU long.
    if (count > MAX_STUFFED) count = entries + 1;
    const npages = random.chance(0.02)
      ? random.pick([BigInt(entries) + 1n, 1n << 33n, U64_MAX, 1n << 63n])
      : BigInt(count);
    return [{ op: "h_stuff_tce", liobn, ioba, tce: hex(this.#values.tce()), npages: hex(npages) }];
  }

  #scan(): RawOperation[] {
    const random = this.#random;
    const window = this.#values.window();
    if (window === undefined) return this.#get();
    const page = 1n << BigInt(window.pageShift);
    const ioba = BigInt.asUintN(64, this.#values.ioba(window) - page * BigInt(random.below(8)));
    const step = random.chance(0.9) ? page : page / 2n + 1n;
    const liobn = hex(this.#values.liobn(window));
    return [{ op: "get_tce_scan", liobn, ioba: hex(ioba), step: hex(step), count: 8 + random.below(60) }];
  }

  #fullScan(): RawOperation[] {
    const window = this.#values.smallWindow(MAX_SCANNED);
    if (window === undefined) return this.#scan();
    const { liobn, busOffset, pageShift, entries } = window;
    const step = hex(1n << BigInt(pageShift));
    return [{ op: "get_tce_scan", liobn: hex(liobn), ioba: hex(busOffset), step, count: entries + 1 }];
  }

  #treeProperty(): RawOperation[] {
    const path = `/pci@${this.#ddw.bridge().buid.toString(16)}`;
    const prop = this.#random.pick(["ibm,dma-window", "ibm,ddw-applicable", "ibm,ddw-extensions"]);
    return [{ op: "fdt_prop", path, prop }];
  }

  #transfer(): RawOperation[] {
    const random = this.#random;
    const window = this.#values.window();
    if (window === undefined) return this.#ddw.create();
    const page = 1n << BigInt(window.pageShift);
    let at = random.chance(0.75) ? this.#values.mappedIoba(window) : this.#values.ioba(window);
    if (random.chance(0.2)) at = (at | (page - 1n)) - BigInt(random.below(24));
    if (at > U64_MAX - 0x1000n || (at >= MSI.first && at < MSI.end)) return this.#get();
    const phb = Math.floor((window.liobn & 0x7fff_ffff) / 0x100);
    const length = 1 + random.below(random.chance(0.1) ? 600 : 48);
    const iova = hex(at);
    if (random.chance(0.5)) return [{ op: "dma_read", phb, iova, len: length }];
    return [{ op: "dma_write", phb, iova, data: this.#values.bytes(Math.min(length, 64)) }];
  }
}
