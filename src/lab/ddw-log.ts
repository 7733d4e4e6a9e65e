import { hex64 } from "../base/u64.ts";
import { formatCount, formatSize } from "../base/units.ts";
import { Machine } from "../spapr/machine.ts";
import { DDW_PAGE_BITS, MAX_PHB_INDEX, RtasToken } from "../spapr/papr.ts";
import type { PlanNote } from "./plan-note.ts";

const WHO = String.raw`(?<who>[\w-]+ [0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]): `;
const NUMBERS = String.raw`\([0-9a-f]+\) [0-9a-f]+ (?<hi>[0-9a-f]+) (?<lo>[0-9a-f]+)`;

/** Lines of a guest's kernel log that tell of its windows. */
const LINES = {
  query: new RegExp(
    `${WHO}ibm,query-pe-dma-windows${NUMBERS} returned (?<status>-?\\d+), lb=(?<largest>[0-9a-f]+) ps=(?<pages>[0-9a-f]+) wn=(?<windows>[0-9a-f]+)`,
  ),
  create: new RegExp(
    `${WHO}ibm,create-pe-dma-window${NUMBERS} (?<page>[0-9a-f]+) (?<window>[0-9a-f]+) returned (?<status>-?\\d+) \\(liobn = 0x(?<liobn>[0-9a-f]+) starting addr = (?<startHi>[0-9a-f]+) (?<startLo>[0-9a-f]+)\\)`,
  ),
  unlimited: new RegExp(`${WHO}Limited Address Space for DDW not Supported`),
  limited: new RegExp(`${WHO}iommu: 64-bit OK but direct DMA is limited by (?<limit>[0-9a-f]+)`),
  offset: new RegExp(`${WHO}Warning: IOMMU offset too big for device mask`),
  full: new RegExp(`${WHO}iommu_alloc failed, tbl \\S+ vaddr \\S+ npages (?<pages>[0-9a-f]+)`),
  inUse: new RegExp(`${WHO}current IOMMU table in use, can't be replaced`),
  disabled: /ppc iommu: disabling ddw\./,
} as const;

/**
 * What a guest's kernel said of its windows.
 *
 * @public
 */
export interface DdwLog {
  /** Lines of the log that tell of windows. */
  readonly lines: number;
  readonly notes: readonly PlanNote[];
}

/**
 * Explains what the kernel log of a guest says of its DMA windows: which it got, why others were refused, and what would
 * help. A refused call is made again on a machine of ours, whose rule is named.
 *
 * @param text of `dmesg`, or of a console; times and other prefixes may be there
 * @public
 */
export function explainDdwLog(text: string): DdwLog {
  const notes: PlanNote[] = [];
  const offered = new Map<string, number>();
  const windows = new Map<string, number>();
  let lines = 0;
  let failed = 0;
  for (const line of text.split(/\r?\n/)) {
    for (const [kind, pattern] of Object.entries(LINES) as [keyof typeof LINES, RegExp][]) {
      const match = pattern.exec(line);
      if (match === null) continue;
      lines++;
      const found = (match.groups ?? {}) as Record<string, string>;
      const bridge = `${found.hi} ${found.lo}`;
      if (kind === "query") {
        offered.set(bridge, Number.parseInt(found.pages!, 16));
        windows.set(bridge, Number.parseInt(found.windows!, 16));
      } else if (kind === "create") {
        notes.push(...notesOfCreate(found, offered.get(bridge), windows.get(bridge)));
      } else if (kind === "full") {
        if (++failed === 1) notes.push(noteOfFull(found));
      } else notes.push(NOTES[kind](found));
    }
  }
  if (failed > 1)
    notes.push({ severity: "warning", text: `${formatCount(failed)} maps failed in all`, rules: [] });
  return { lines, notes };
}

const NOTES: Readonly<
  Record<
    "unlimited" | "limited" | "offset" | "inUse" | "disabled",
    (found: Record<string, string>) => PlanNote
  >
> = {
  unlimited: ({ who }) => ({
    severity: "warning",
    text: `${who}: its mask has 33 to 63 bits, and the machine cannot limit addresses; no device behind this bridge gets a window now. A device with 64 bits that is to have one should be behind another bridge, or be the first one to be probed`,
    rules: ["LINUX-DDW-4", "LINUX-DDW-5"],
  }),
  limited: ({ who, limit }) => {
    const bytes = BigInt(`0x${limit}`);
    // A limit of no window: what is added to addresses is 0.
    return bytes < 1n << 59n
      ? {
          severity: "error",
          text: `${who}: direct DMA up to ${hex64(bytes)} without a window: buffers are taken for directly mapped, and are never unmapped or not mapped at all. The window was refused before; give the guest one, or write disable_ddw on its command line`,
          rules: ["LINUX-DDW-6", "LINUX-LIMIT-1"],
        }
      : { severity: "info", text: `${who}: direct DMA up to ${hex64(bytes)}`, rules: ["LINUX-LIMIT-1"] };
  },
  offset: ({ who }) => ({
    severity: "error",
    text: `${who}: its mask does not reach the only window that is left, as after kexec; the driver gives up`,
    rules: ["LINUX-MASK-1", "LINUX-KEXEC-1"],
  }),
  inUse: ({ who }) => ({
    severity: "warning",
    text: `${who}: the bridge has no second window, and the default one is in use: there is no other`,
    rules: ["LINUX-DDW-2"],
  }),
  disabled: () => ({ severity: "info", text: "disable_ddw: the guest asks for no windows", rules: [] }),
};

function noteOfFull({ who, pages }: Record<string, string>): PlanNote {
  const count = Number.parseInt(pages!, 16);
  return {
    severity: "error",
    text: `${who}: no ${formatCount(count)} free entries in a row in its window: it is full or fragmented, or a driver does not unmap. \`check\` of a trace tells which`,
    rules: ["LINUX-TABLE-2", "LINUX-TABLE-3"],
  };
}

/** The window that a guest got, or why it was refused. */
function notesOfCreate(
  found: Record<string, string>,
  offered: number | undefined,
  available: number | undefined,
): PlanNote[] {
  const { who } = found;
  const number = (name: string): number => Number.parseInt(found[name]!, 16);
  const [pageShift, windowShift, status] = [number("page"), number("window"), Number(found.status)];
  const pageText = `pages of ${formatSize(2 ** pageShift)}`;
  if (status === 0) {
    const start = (BigInt(number("startHi")) << 32n) | BigInt(number("startLo"));
    const text = `${who}: a window of ${formatSize(2 ** windowShift)} with ${pageText} at ${hex64(start)}`;
    return [{ severity: "info", text, rules: ["LINUX-DDW-2"] }];
  }
  const again = refusalOf(found, { pageShift, windowShift, offered, available });
  const why = again === undefined ? "a rule that is not known here" : again.rule;
  const notes: PlanNote[] = [
    {
      severity: "warning",
      text: `${who}: a window of 2^${windowShift} bytes with ${pageText} was refused with ${status}: ${why}`,
      rules: again === undefined ? [] : [again.id],
    },
  ];
  if (windowShift === 0) {
    notes.push({
      severity: "warning",
      text: "the guest does not know how much memory there can be, and asks for a window of 1 byte: give the machine slots for memory (-m SIZE,slots=1,maxmem=MORE), or use QEMU 10.0 or later",
      rules: ["QEMU-TREE-4", "LINUX-DDW-2"],
    });
  } else if (windowShift - pageShift >= 32) {
    notes.push({
      severity: "warning",
      text: `2^${windowShift - pageShift} entries are too many: larger pages need fewer (pgsz of the bridge, such as 0x1211000)`,
      rules: ["QEMU-CREATE-4"],
    });
  }
  return notes;
}

/** Why a machine of ours refuses such a call. */
function refusalOf(
  { hi, lo }: Record<string, string>,
  call: {
    readonly pageShift: number;
    readonly windowShift: number;
    readonly offered: number | undefined;
    readonly available: number | undefined;
  },
): { readonly rule: string; readonly id: string } | undefined {
  const [buidHi, buidLo] = [Number.parseInt(hi!, 16), Number.parseInt(lo!, 16)];
  const index = buidLo & 0xff;
  if (index > MAX_PHB_INDEX) return undefined;
  const { offered, available, pageShift, windowShift } = call;
  const shifts = DDW_PAGE_BITS.filter(([, bit]) => offered === undefined || (offered & bit) !== 0);
  const pgsz = shifts.reduce((sizes, [shift]) => sizes | (1n << BigInt(shift)), 0n);
  const others = index === 0 ? [] : [{ index: 0 }];
  const machine = new Machine({ phbs: [...others, { index, pgsz }] });
  const { buid } = machine.phb(index);
  if (BigInt(buidHi) << 32n !== (buid >> 32n) << 32n) return undefined;
  const create = (page: number, window: number): number[] =>
    machine.rtas(RtasToken.CREATE_PE_DMA_WINDOW, [0, buidHi, buidLo, page, window], 4);
  if (available === 0) create(shifts[0]?.[0] ?? 12, 30);
  let refusal: { readonly rule: string; readonly id: string } | undefined;
  machine.observer.refusal = ({ rule, id }) => {
    refusal = { rule, id };
  };
  create(pageShift, windowShift);
  return refusal;
}
