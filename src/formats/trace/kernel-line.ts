import { hiOf, loOf } from "../../base/u64.ts";
import { type FaultAccess, IommuRange, type KernelStatement } from "./kernel-event.ts";
import { TextSearch } from "./words.ts";

/** Words of which one stands in each line that is read here. */
const MARKS = [
  "IOMMU",
  "swiotlb",
  "DMA",
  "AMD-Vi",
  "smmu",
  "EEH",
  "iommu_alloc",
  "dma-window",
  "DDW",
  "ddw.",
  "IO_PAGE_FAULT",
  "apple-dart",
  "virtio_iommu",
  "iova=",
  "dev_name=",
  "_to_domain:",
].map((word) => new TextSearch(word));

/** Each byte a character. */
const LATIN1 = new TextDecoder("latin1");

/** Bytes of a line that are looked at. */
export const MAX_STATEMENT = 1000;

/** AMD's event log: the access was a write. Its flags are larger than the two values of other IOMMUs. */
const AMD_WRITE = 0x20;
/** `FSYNR0.WNR` of an SMMUv2. */
const SMMU_WRITE = 1 << 4;
/** SMMUv3 events that name an input address: translation, address size, access flag, permission. */
const SMMU_FAULTS: readonly number[] = [0x10, 0x11, 0x12, 0x13];
/** Words of 64 bits that an SMMUv3 event record has, and lines of others that may stand between them. */
const SMMU_WORDS = 4;
const LINES_BETWEEN = 16;

const HEX = "(?:0x)?([0-9a-f]{1,16})\\b";
/** Decimal, or hexadecimal with its mark. */
const NUMBER = "(0x[0-9a-f]+|\\d+)\\b";
/** A PCI device, with or without its domain. */
const PCI = "((?:[0-9a-f]{4,}:)?[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7])";

/** One form of a line. */
interface Form {
  /**
   * The text; what is said of `what` stands behind the origin of a trace event, or behind that of a log line. A blank in
   * it is any run of blanks and tabs of the line ({@link spaced}).
   */
  readonly pattern: RegExp;
  /** How a trace event begins, which has an origin before it; absent for a line of the log. */
  readonly head?: RegExp;
  /** How a line of the log begins that cannot be anything else. */
  readonly start?: RegExp;
  /** What stands in a line that is not cut off, where one that is can be read, too. */
  readonly end?: RegExp;
  /** It may say again what a record of an SMMUv3 said. */
  readonly mayRepeat?: true;
  read(groups: readonly (string | undefined)[]): KernelStatement;
}

const hex = (digits: string | undefined): bigint => BigInt(`0x${digits}`);
/** PCI devices have a domain in the names of events. */
const pci = (name: string): string => (/^[0-9a-f]{2}:/.test(name) ? `0000:${name}` : name);

/** Two values of the IOMMU layer, or AMD's own bits. */
export const accessOf = (flags: bigint): FaultAccess =>
  flags > 1n ? ((flags & BigInt(AMD_WRITE)) === 0n ? "read" : "write") : flags === 1n ? "write" : "read";

const rangeOf = (type: IommuRange["type"], iova: bigint, size: bigint): IommuRange =>
  new IommuRange(type, hiOf(iova), loOf(iova), hiOf(size), loOf(size));

const fault = (
  device: string | undefined,
  address: string | undefined,
  access: FaultAccess,
): KernelStatement => ({ type: "fault", device, address: hex(address), access });

/** Token, configuration address and BUID of a call for windows. */
const CONFIG = `\\(\\w+\\) \\w+ ${HEX} ${HEX}`;

const joined = (high: string | undefined, low: string | undefined): bigint => (hex(high) << 32n) | hex(low);

const trouble = (
  kind: Extract<KernelStatement, { readonly type: "window-trouble" }>["trouble"],
  pattern: RegExp,
): Form => ({
  pattern,
  read: ([, device, limit = "0"]) => ({
    type: "window-trouble",
    device: device === "" ? undefined : device,
    trouble: kind,
    limit: hex(limit),
  }),
});

/** A trace event: how it begins, and what a whole one has then. */
const event = (head: string, rest: string, read: Form["read"]): Form => ({
  head: new RegExp(head),
  pattern: new RegExp(head + rest),
  read,
});

/** Columns are made with tabs, and tabs are made blanks, on the way to us. */
const spaced = ({ source, flags }: RegExp): RegExp => new RegExp(source.replaceAll(" ", "[ \\t]+"), flags);

/** How the record of an event of an SMMUv3 begins, and each word of it. */
const SMMU_RECORD = spaced(/arm-smmu-v3 .*event 0x[0-9a-f]+ received:/);
const SMMU_WORD = spaced(/arm-smmu-v3 .*0x([0-9a-f]{16})["\s,]*$/);

const LINES: readonly Form[] = [
  event("\\b(un)?map:\\s+IOMMU:", ` iova=${HEX}.*? size=(\\d+)\\b`, ([, un, iova, size]) =>
    rangeOf(un === undefined ? "iommu-map" : "iommu-unmap", hex(iova), BigInt(size!)),
  ),
  event(
    "\\bswiotlb_bounced:\\s+dev_name:",
    ` (\\S+) dma_mask=${HEX} dev_addr=${HEX} size=(\\d+)\\b(?: (\\w+))?`,
    ([, device, mask, physical, size, force]) => ({
      type: "bounced",
      device: device!,
      mask: hex(mask),
      physical: hex(physical),
      size: Number(size),
      isForced: force === "FORCE",
    }),
  ),
  event("\\battach_device_to_domain:\\s+IOMMU:", " Device=(\\S+)", ([, device]) => ({
    type: "attached",
    device: device!,
  })),
  event("\\bio_page_fault:\\s+IOMMU:", `.*?(\\S+) iova=${HEX} flags=${HEX}`, ([, device, address, flags]) =>
    fault(device, address, accessOf(hex(flags))),
  ),
  // The same as fields: of the kernel's option, or of trace-cmd report -R.
  event("\\b(un)?map:\\s+iova=", `${HEX}.*? size=${NUMBER}`, ([, un, iova, size]) =>
    rangeOf(un === undefined ? "iommu-map" : "iommu-unmap", hex(iova), BigInt(size!)),
  ),
  event(
    "\\bio_page_fault:\\s+device=",
    `(\\S+).*? iova=${HEX}.*? flags=${NUMBER}`,
    ([, device, address, flags]) => fault(device, address, accessOf(BigInt(flags!))),
  ),
  event(
    "\\bswiotlb_bounced:\\s+dev_name=",
    `(\\S+).*? dma_mask=${HEX}.*? dev_addr=${HEX}.*? size=${NUMBER}(?:.*?force=${NUMBER})?`,
    ([, device, mask, physical, size, force = "0"]) => ({
      type: "bounced",
      device: device!,
      mask: hex(mask),
      physical: hex(physical),
      size: Number(size),
      isForced: Number(force) !== 0,
    }),
  ),
  event("\\battach_device_to_domain:\\s+device=", "(\\S+)", ([, device]) => ({
    type: "attached",
    device: device!,
  })),
  {
    start: /\[IO_PAGE_FAULT (?:device|domain)=/,
    end: /flags=(?:0x)?[0-9a-f]+\]/,
    pattern: new RegExp(
      `(?:(\\S+): AMD-Vi: .*)?IO_PAGE_FAULT (?:device=${PCI} )?.*address=${HEX} flags=${HEX}`,
    ),
    read: ([, before, inside, address, flags]) => {
      const device = inside ?? before;
      return fault(device === undefined ? undefined : pci(device), address, accessOf(hex(flags)));
    },
  },
  {
    start: /DMAR:\s*\[DMA (?:Read|Write)[^\]]*\] Request device \[/,
    end: /fault addr \w+\s+\[/,
    pattern: new RegExp(
      `DMAR:\\s*\\[DMA (Read|Write)[^\\]]*\\] Request device \\[${PCI}\\].* fault addr ${HEX}`,
    ),
    read: ([, access, device, address]) =>
      fault(pci(device!), address, access === "Write" ? "write" : "read"),
  },
  {
    start: /arm-smmu .*[Cc]ontext fault: fsr=/,
    end: /fsynr=\w+,/,
    pattern: new RegExp(`arm-smmu .*[Cc]ontext fault:.* iova=${HEX}, fsynr=${HEX}`),
    read: ([, address, syndrome]) =>
      fault(undefined, address, (hex(syndrome) & BigInt(SMMU_WRITE)) === 0n ? "read" : "write"),
  },
  {
    start: /arm-smmu-v3 .*event: F_(?:TRANSLATION|ADDR_SIZE|ACCESS|PERMISSION) client: /,
    pattern: new RegExp(`arm-smmu-v3 .*event: F_\\w+ client: (\\S+) sid: .*iova: ${HEX}`),
    mayRepeat: true,
    read: ([, device, address]) => fault(device, address, "unknown"),
  },
  {
    start: /apple-dart .*translation fault: status/,
    pattern: new RegExp(`apple-dart .*translation fault: .* at ${HEX}`),
    read: ([, address]) => fault(undefined, address, "unknown"),
  },
  {
    start: /virtio_iommu .*fault from EP \d/,
    pattern: new RegExp(`virtio_iommu .*fault from EP \\d+ at ${HEX} \\[(R?)(W?)X?\\]`),
    read: ([, address, reads, writes]) =>
      fault(undefined, address, writes === "" ? "read" : reads === "" ? "write" : "unknown"),
  },
  {
    start: /EEH: Frozen PHB#[0-9a-f]/i,
    pattern: /EEH: Frozen PHB#([0-9a-f]+)-PE#([0-9a-f]+) detected/i,
    read: ([, bridge, endpoint]) => ({
      type: "frozen",
      domain: Number.parseInt(bridge!, 16),
      endpoint: endpoint!,
    }),
  },
  {
    start: /EEH: Frozen PE#[0-9a-f]/i,
    pattern: /EEH: Frozen PE#([0-9a-f]+) on PHB#([0-9a-f]+) detected/i,
    read: ([, endpoint, bridge]) => ({
      type: "frozen",
      domain: Number.parseInt(bridge!, 16),
      endpoint: endpoint!,
    }),
  },
  {
    start: /: swiotlb buffer is full \(sz/,
    end: /bytes\)(?:$|[^,]|, total \d+ \(slots\), used \d+ \(slots\))/,
    pattern:
      /(\S+): swiotlb buffer is full \(sz: (\d+) bytes\)(?:, total (\d+) \(slots\), used (\d+) \(slots\))?/,
    read: ([, device, size, slots, used]) => ({
      type: "bounce-full",
      device: device!,
      size: Number(size),
      slots: Number(slots ?? 0),
      used: Number(used ?? 0),
    }),
  },
  {
    pattern: /DMA: Out of SW-IOMMU space for (\d+) bytes at device (\S+)/,
    read: ([, size, device]) => ({
      type: "bounce-full",
      device: device!,
      size: Number(size),
      slots: 0,
      used: 0,
    }),
  },
  {
    start: /iommu_alloc failed, tbl/,
    pattern: /(?:(\S+): )?iommu_alloc failed, tbl \S+ vaddr \S+ npages ([0-9a-f]{1,8})\b/,
    read: ([, device, pages]) => ({
      type: "alloc-failed",
      device: /[:.]\S/.test(device ?? "") ? device : undefined,
      pages: Number.parseInt(pages!, 16),
    }),
  },
  {
    start: /: ibm,query-pe-dma-windows\(/,
    pattern: new RegExp(
      `(\\S+): ibm,query-pe-dma-windows${CONFIG} returned -?\\d+, lb=${HEX} ps=${HEX} wn=${HEX}`,
    ),
    read: ([, device, high, low, , pageSizes, windows]) => ({
      type: "windows-offered",
      device: device!,
      bridge: joined(high, low),
      pageSizes: Number(hex(pageSizes)),
      windows: Number(hex(windows)),
    }),
  },
  {
    start: /: ibm,create-pe-dma-window\(/,
    end: /returned (?:-|[1-9]|0 \(liobn = \w+ starting addr = \w+ \w+\))/,
    pattern: new RegExp(
      `(\\S+): ibm,create-pe-dma-window${CONFIG} ${HEX} ${HEX} returned (-?\\d+)(?: \\(liobn = ${HEX} starting addr = ${HEX} ${HEX}\\))?`,
    ),
    read: ([, device, high, low, pageShift, windowShift, status, , startHigh = "0", startLow = "0"]) => ({
      type: "window-asked",
      device: device!,
      bridge: joined(high, low),
      pageShift: Number(hex(pageShift)),
      windowShift: Number(hex(windowShift)),
      status: Number(status),
      busOffset: joined(startHigh, startLow),
    }),
  },
  trouble("unlimited", /(\S+): Limited Address Space for DDW not Supported/),
  trouble("limited", new RegExp(`(\\S+): iommu: 64-bit OK but direct DMA is limited by ${HEX}`)),
  trouble("offset", /(\S+): Warning: IOMMU offset too big for device mask/),
  trouble("in-use", /(\S+): current IOMMU table in use, can't be replaced/),
  trouble("disabled", /()ppc iommu: disabling ddw\./),
  {
    pattern:
      /(?:DMA-API: \S+ (\S+): |(\S+): DMA-API: )device driver has pending DMA allocations.*\[count=(\d+)\]/,
    read: ([, device, older, count]) => ({
      type: "pending",
      device: device ?? older!,
      count: Number(count),
    }),
  },
  {
    end: /\]\W*$/,
    pattern: /(?:DMA-API: \S+ (\S+): |(\S+): DMA-API: )((?:device driver|mapping|Mapping) .*)/,
    read: ([, device, older, text]) => ({
      type: "verdict",
      device: device ?? older,
      address: addressIn(text!),
      text: text!,
    }),
  },
  {
    pattern: /(\S+): (overflow 0x[0-9a-f]+\+\d+ of DMA mask .*)/,
    read: ([, device, text]) => ({ type: "verdict", device, address: undefined, text: text! }),
  },
  {
    pattern: /DMA-API: (?:\S+ (\S+): )?((?:cacheline tracking|exceeded) .*)/,
    read: ([, device, text]) => ({ type: "verdict", device, address: undefined, text: text! }),
  },
];

const lineOf = (bytes: Uint8Array, start: number, end: number): string =>
  LATIN1.decode(bytes.subarray(start, Math.min(end, start + MAX_STATEMENT)));

const FORMS = LINES.map(({ pattern, head, start, end, ...form }) => ({
  ...form,
  pattern: spaced(pattern),
  head: head === undefined ? undefined : spaced(head),
  start: start === undefined ? undefined : spaced(start),
  end: end === undefined ? undefined : spaced(end),
}));

function addressIn(text: string): bigint | undefined {
  const found = new RegExp(`\\[device address=${HEX}\\]`).exec(text);
  return found === null ? undefined : hex(found[1]);
}

type Fault = Extract<KernelStatement, { readonly type: "fault" }>;

/** A statement, and how many characters of its line stand before a trace event; -1 in a line of the log. */
export interface ReadStatement {
  readonly what: KernelStatement;
  readonly origin: number;
  /** May it say again what a record of an SMMUv3 said? */
  readonly mayRepeat: boolean;
  /** Is the line cut off, so that the rest of what it says may stand in the next one? */
  readonly isCut: boolean;
}

/**
 * What a line says that needs no other one; "broken" if it is a trace event that is cut off, "begun" if it is a line of the log
 * that is; undefined if it says nothing.
 */
function statementIn(line: string): ReadStatement | "broken" | "begun" | undefined {
  for (const { pattern, head, end, mayRepeat = false, read } of FORMS) {
    const groups = pattern.exec(line);
    if (groups === null) continue;
    const origin = head === undefined ? -1 : groups.index;
    return { what: read(groups), origin, isCut: end?.test(line) === false, mayRepeat };
  }
  if (FORMS.some(({ head }) => head?.test(line) === true)) return "broken";
  return FORMS.some(({ start }) => start?.test(line) === true) ? "begun" : undefined;
}

/** Reads what Linux says of DMA in lines that are no `dma` event. */
export class KernelLineReader {
  /** An SMMUv3 event record, of which each word takes a line; undefined outside of one. */
  #record: { readonly words: bigint[]; others: number } | undefined;
  /** What the last one said: newer kernels say it again, in words. */
  #recorded: Fault | undefined;

  /** Is a record of several lines being read? The line that was read last is a part of it then, or of something else. */
  get isInRecord(): boolean {
    return this.#record !== undefined;
  }

  /** May this line say something? It is cheap to ask. */
  mentions(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#record !== undefined) return true;
    for (const mark of MARKS) if (mark.find(bytes, start, end) >= 0) return true;
    return false;
  }

  /** What a line says that needs no other one; undefined if it says nothing, or is cut off. */
  whole(bytes: Uint8Array, start: number, end: number): KernelStatement | undefined {
    const said = statementIn(lineOf(bytes, start, end));
    return typeof said === "object" && !said.isCut ? said.what : undefined;
  }

  /**
   * What a line says: "part" of something that later lines complete, each on its own; "broken" or "begun" if the lines after it
   * may be the rest of it, and it is a trace event or a line of the log; undefined if nothing.
   */
  read(
    bytes: Uint8Array,
    start: number,
    end: number,
  ): ReadStatement | "part" | "broken" | "begun" | undefined {
    const line = lineOf(bytes, start, end);
    const word = this.#record === undefined ? null : SMMU_WORD.exec(line);
    if (word !== null) return this.#readWord(hex(word[1]));
    if (this.#record !== undefined && ++this.#record.others > LINES_BETWEEN) this.#record = undefined;
    if (SMMU_RECORD.test(line)) {
      this.#record = { words: [], others: 0 };
      return "part";
    }
    const said = statementIn(line);
    return typeof said === "object" && said.mayRepeat && this.#isSaidAgain(said.what) ? "part" : said;
  }

  /** Is it what the record said? Where the words name another device than its stream stood for, they tell of one more. */
  #isSaidAgain(what: KernelStatement): boolean {
    const recorded = this.#recorded;
    this.#recorded = undefined;
    return what.type === "fault" && what.address === recorded?.address && what.device === recorded.device;
  }

  /** A word of an event record of an SMMUv3. It names no device; the number of a stream mostly is that of a PCI function. */
  #readWord(word: bigint): ReadStatement | "part" {
    const { words } = this.#record!;
    words.push(word);
    this.#record!.others = 0;
    if (words.length < SMMU_WORDS) return "part";
    this.#record = undefined;
    const [first, second, address] = words;
    if (!SMMU_FAULTS.includes(Number(first! & 0xffn))) return "part";
    const stream = Number((first! >> 32n) & 0xffffn);
    const two = (value: number): string => value.toString(16).padStart(2, "0");
    const device = `0000:${two(stream >> 8)}:${two((stream >> 3) & 31)}.${stream & 7}`;
    const access = ((second! >> 35n) & 1n) === 1n ? "read" : "write";
    this.#recorded = { type: "fault", device, address: address!, access, stream };
    return { what: this.#recorded, origin: -1, isCut: false, mayRepeat: false };
  }
}
