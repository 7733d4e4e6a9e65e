import type { Random } from "../../helpers/random.ts";

/**
 * Plants faults into real traces, and knows what each must look like. It reads
 * the text on its own, with regular expressions and maps of pages.
 */

/** A call or translation of a trace, about pages of 4 KiB windows. */
interface Step {
  readonly line: number;
  readonly type: "map" | "unmap" | "xlate" | "list";
  readonly liobn: number;
  readonly first: number;
  readonly pages: number;
  readonly value: string;
}

/** What a fault must be found as. */
export interface Expected {
  readonly kind: string;
  readonly liobn: number;
  readonly page: number;
  /** Line that must be among the proof. */
  readonly line: number;
}

export interface PlantedFault {
  readonly what: string;
  readonly text: string;
  readonly expected: readonly Expected[];
  /** What may be found as well: pages whose unmap is missing, that nothing used again. Age alone tells of these. */
  readonly possible: readonly Expected[];
}

const PUT = /^(?:\d+@[\d.]+:)?spapr_iommu_(?:pci_)?put liobn=0x(\w+) ioba=0x(\w+) tce=0x(\w+) ret=0$/;
const STUFF =
  /^(?:\d+@[\d.]+:)?spapr_iommu_(?:pci_)?stuff liobn=0x(\w+) ioba=0x(\w+) tcevalue=0x(\w+) npages=(\d+) ret=0$/;
const XLATE = /^(?:\d+@[\d.]+:)?spapr_iommu_xlate liobn=0x(\w+) 0x(\w+) -> 0x(\w+) perm=(\d) mask=0xfff$/;
const LIST =
  /^(?:\d+@[\d.]+:)?spapr_iommu_(?:pci_)?indirect liobn=0x(\w+) ioba=0x(\w+) .* iobaN=0x(\w+) tceN=0x(\w+) ret=0$/;
const TABLE = /^(?:\d+@[\d.]+:)?spapr_iommu_new_table liobn=0x(\w+)/;

/** Unmaps of so many pages are clearings of whole tables. */
const CLEARING = 64;

/** One real trace, indexed by page. */
export class PlantableTrace {
  readonly name: string;
  readonly #lines: readonly string[];
  readonly #steps: Step[] = [];
  readonly #byPage = new Map<string, Step[]>();
  readonly #clearings: Step[] = [];
  /** Lines at which the tables of a window begin anew. */
  readonly #tables = new Map<number, number[]>();

  constructor(name: string, text: string) {
    this.name = name;
    this.#lines = text.split("\n");
    this.#lines.forEach((line, i) => {
      this.#read(line, i + 1);
    });
  }

  #read(text: string, line: number): void {
    const hex = (digits: string): number => Number.parseInt(digits, 16);
    let match = TABLE.exec(text);
    if (match !== null) this.#tables.set(hex(match[1]!), [...(this.#tables.get(hex(match[1]!)) ?? []), line]);
    match = PUT.exec(text);
    if (match !== null) {
      const type = (hex(match[3]!.at(-1)!) & 3) === 0 ? "unmap" : "map";
      this.#add({
        line,
        type,
        liobn: hex(match[1]!),
        first: hex(match[2]!) >>> 12,
        pages: 1,
        value: match[3]!,
      });
    }
    match = STUFF.exec(text);
    if (match !== null) {
      const pages = Number(match[4]);
      const first = Math.floor(hex(match[2]!) / 4096) - pages;
      this.#add({ line, type: "unmap", liobn: hex(match[1]!), first, pages, value: match[3]! });
    }
    match = XLATE.exec(text);
    if (match !== null) {
      const first = Math.floor(hex(match[2]!) / 4096);
      this.#add({ line, type: "xlate", liobn: hex(match[1]!), first, pages: 1, value: match[3]! });
    }
    match = LIST.exec(text);
    if (match !== null) {
      const first = Math.floor(hex(match[2]!) / 4096);
      this.#add({
        line,
        type: "list",
        liobn: hex(match[1]!),
        first,
        pages: hex(match[3]!) + 1,
        value: match[4]!,
      });
    }
  }

  #add(step: Step): void {
    // Windows at high addresses have other pages.
    if (step.first >= 2 ** 18 || (step.liobn % 0x100 === 1 && step.liobn >= 0x8000_0000)) return;
    if (step.type === "unmap" && step.pages >= CLEARING) {
      this.#clearings.push(step);
      return;
    }
    this.#steps.push(step);
    for (let page = step.first; page < step.first + step.pages; page++) {
      const key = `${step.liobn} ${page}`;
      const there = this.#byPage.get(key);
      if (there === undefined) this.#byPage.set(key, [step]);
      else there.push(step);
    }
  }

  /** What last changed a page before a line; undefined if it was nothing, a clearing, or a new table. */
  #before(liobn: number, page: number, line: number): Step | undefined {
    const step = this.#byPage
      .get(`${liobn} ${page}`)
      ?.findLast((one) => one.line < line && one.type !== "xlate");
    return step === undefined || this.#begunAnew(liobn, page, step.line, line) ? undefined : step;
  }

  /** What touches a page next. */
  #after(liobn: number, page: number, line: number): Step | undefined {
    const step = this.#byPage.get(`${liobn} ${page}`)?.find((one) => one.line > line);
    return step === undefined || this.#begunAnew(liobn, page, line, step.line) ? undefined : step;
  }

  #begunAnew(liobn: number, page: number, from: number, to: number): boolean {
    const between = (line: number): boolean => line > from && line < to;
    // A bridge's table that comes anew is a reset of the machine, which clears VIO tables, too.
    for (const [other, lines] of this.#tables) {
      if ((other === liobn || liobn < 0x8000_0000) && lines.some(between)) return true;
    }
    return this.#clearings.some(
      (one) => one.liobn === liobn && page >= one.first && page < one.first + one.pages && between(one.line),
    );
  }

  /** Is a page mapped by a put, of which the value is printed, just before a line? */
  #mappedBy(liobn: number, page: number, line: number): Step | undefined {
    const step = this.#before(liobn, page, line);
    return step?.type === "map" ? step : undefined;
  }

  // ------------------------------------------------------------------ faults

  plant(random: Random): PlantedFault {
    const plants = [
      () => this.#dropUnmap(random),
      () => this.#duplicateMap(random),
      () => this.#duplicateUnmap(random),
      () => this.#moveDma(random),
      () => this.#flipBit(random),
      () => this.#cut(random),
    ];
    const plant = random.pick(plants);
    for (;;) {
      const fault = plant();
      if (fault !== undefined) return fault;
    }
  }

  #step(random: Random, type: Step["type"]): Step | undefined {
    const step = random.pick(this.#steps);
    return step.type === type ? step : undefined;
  }

  #dropUnmap(random: Random): PlantedFault | undefined {
    const step = this.#step(random, "unmap");
    if (step === undefined) return undefined;
    const expected: Expected[] = [];
    const possible: Expected[] = [];
    for (let page = step.first; page < step.first + step.pages; page++) {
      const made = this.#mappedBy(step.liobn, page, step.line);
      if (made === undefined) return undefined;
      const next = this.#after(step.liobn, page, step.line);
      if (next === undefined) possible.push({ kind: "leak", liobn: step.liobn, page, line: made.line });
      if (next === undefined || next.type === "unmap") continue;
      if (next.type !== "map") return undefined;
      const kind = next.value === made.value ? "double-map" : "replaced-live";
      expected.push({ kind, liobn: step.liobn, page, line: next.line - 1 });
    }
    return this.#fault(`drop the unmap of line ${step.line}`, this.#without(step.line), expected, possible);
  }

  #duplicateMap(random: Random): PlantedFault | undefined {
    const step = this.#step(random, "map");
    if (step === undefined) return undefined;
    const expected = [{ kind: "double-map", liobn: step.liobn, page: step.first, line: step.line + 1 }];
    const lines = this.#lines.toSpliced(step.line, 0, this.#lines[step.line - 1]!);
    return this.#fault(`make the map of line ${step.line} twice`, lines, expected);
  }

  #duplicateUnmap(random: Random): PlantedFault | undefined {
    const step = this.#step(random, "unmap");
    if (step === undefined) return undefined;
    const expected: Expected[] = [];
    for (let page = step.first; page < step.first + step.pages; page++) {
      if (this.#mappedBy(step.liobn, page, step.line) === undefined) return undefined;
      expected.push({ kind: "unmap-unmapped", liobn: step.liobn, page, line: step.line + 1 });
    }
    const lines = this.#lines.toSpliced(step.line, 0, this.#lines[step.line - 1]!);
    return this.#fault(`make the unmap of line ${step.line} twice`, lines, expected);
  }

  #moveDma(random: Random): PlantedFault | undefined {
    const step = this.#step(random, "xlate");
    if (step === undefined || this.#mappedBy(step.liobn, step.first, step.line) === undefined)
      return undefined;
    const unmap = this.#byPage
      .get(`${step.liobn} ${step.first}`)!
      .find((one) => one.line > step.line && one.type !== "xlate");
    if (unmap?.type !== "unmap" || this.#begunAnew(step.liobn, step.first, step.line, unmap.line))
      return undefined;
    const text = this.#lines[step.line - 1]!;
    const lines = this.#lines.toSpliced(unmap.line, 0, text).toSpliced(step.line - 1, 1);
    const expected = [{ kind: "dma-after-unmap", liobn: step.liobn, page: step.first, line: unmap.line }];
    return this.#fault(`move the DMA of line ${step.line} behind line ${unmap.line}`, lines, expected);
  }

  /** In the target of a translation: it becomes another number, or none. */
  #flipBit(random: Random): PlantedFault | undefined {
    const step = this.#step(random, "xlate");
    if (step === undefined || this.#mappedBy(step.liobn, step.first, step.line) === undefined)
      return undefined;
    const text = this.#lines[step.line - 1]!;
    const start = text.indexOf("-> 0x") + 5;
    const at = start + random.below(text.indexOf(" perm") - start);
    const flipped = String.fromCharCode(text.charCodeAt(at) ^ (1 << random.below(7)));
    const line = text.slice(0, at) + flipped + text.slice(at + 1);
    const readable = /^[0-9a-f]$/.test(flipped);
    const expected = readable
      ? { kind: "mismatch", liobn: step.liobn, page: step.first, line: step.line }
      : { kind: "truncated", liobn: 0, page: 0, line: step.line };
    if (flipped === "\n" || flipped === "\r") return undefined;
    return this.#fault(`flip a bit in line ${step.line}`, this.#lines.with(step.line - 1, line), [expected]);
  }

  #cut(random: Random): PlantedFault {
    const text = this.#lines.join("\n");
    // A text without an event is refused.
    const from = text.indexOf("\n", text.search(/spapr_iommu_/)) + 1;
    const cut = text.slice(0, from + random.below(text.length - from));
    const torn = !cut.endsWith("\n");
    const line = cut.split("\n").length;
    const expected = torn ? [{ kind: "truncated", liobn: 0, page: 0, line }] : [];
    return { what: `${this.name}: cut behind byte ${cut.length}`, text: cut, expected, possible: [] };
  }

  #without(line: number): string[] {
    return this.#lines.toSpliced(line - 1, 1);
  }

  #fault(
    what: string,
    lines: readonly string[],
    expected: readonly Expected[],
    possible: readonly Expected[] = [],
  ): PlantedFault {
    return { what: `${this.name}: ${what}`, text: lines.join("\n"), expected, possible };
  }
}
