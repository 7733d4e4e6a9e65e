/**
 * What QEMU's log tells of the host's side of DMA: `vfio_*` trace events, and QEMU's messages when a call to the host
 * failed.
 *
 * @module
 */

/**
 * What happened to the host's side.
 *
 * @public
 */
export type HostEventKind =
  /** A window of the host was made (sPAPR version 2). */
  | "create-window"
  | "remove-window"
  /** Bus addresses are followed now: those of a window of the guest, or memory that is mapped as a whole. */
  | "add-iommu"
  | "add-ram"
  | "remove-range"
  /** A notifier was told of pages that the guest mapped or unmapped. */
  | "map"
  | "unmap"
  /** Memory was registered, or not. */
  | "register"
  | "unregister"
  /** A call failed: QEMU's message. */
  | "failed";

/**
 * An event of the host's side of DMA.
 *
 * @public
 */
export interface HostEvent {
  readonly kind: HostEventKind;
  /** Line from 1. */
  readonly line: number;
  /** Events of the guest's side before it. */
  readonly event: number;
  /** First bus address (`register`: user address); undefined if it names none. */
  readonly start?: bigint | undefined;
  readonly bytes?: bigint | undefined;
  /** `create-window`: log2 of the page size, and levels of its table. */
  readonly pageShift?: number | undefined;
  readonly levels?: number | undefined;
  /** `add-iommu`: name of the region, such as `tce-iommu-80000000` (QEMU 10). */
  readonly region?: string | undefined;
  /** Errno of what failed, as a positive number; 0 for success; undefined if it names none. */
  readonly errno?: number | undefined;
  /** `failed`: which call, and why, in the words of the log. */
  readonly call?: string | undefined;
  readonly why?: string | undefined;
}

type Fields = Partial<Omit<HostEvent, "line" | "event">>;

/** Texts of a kind, with what their groups are. */
interface HostText {
  readonly text: RegExp;
  read(groups: Readonly<Record<string, string | undefined>>): Fields & Pick<HostEvent, "kind">;
}

const RANGE = "0x(?<start>[0-9a-f]+) - 0x(?<last>[0-9a-f]+)";

/** Trace events by their names; others tell nothing of what is mapped. */
const EVENTS: Readonly<Record<string, HostText>> = {
  vfio_spapr_create_window: {
    text: /^pageshift=0x(?<shift>[0-9a-f]{1,2}) levels=(?<levels>\d{1,2}) winsize=0x(?<bytes>[0-9a-f]{1,16}) offset=0x(?<start>[0-9a-f]{1,16})$/,
    read: ({ shift, levels, bytes, start }) => ({
      kind: "create-window",
      start: hexOf(start),
      bytes: hexOf(bytes),
      pageShift: Number.parseInt(shift!, 16),
      levels: Number(levels),
    }),
  },
  vfio_spapr_remove_window: {
    text: /^offset=0x(?<start>[0-9a-f]{1,16})$/,
    read: ({ start }) => ({ kind: "remove-window", start: hexOf(start) }),
  },
  vfio_listener_region_add_iommu: {
    text: new RegExp(`^region_add \\[iommu\\] (?:(?<region>\\S+) )?${RANGE}$`),
    read: ({ region, ...range }) => ({ kind: "add-iommu", ...rangeOf(range), region }),
  },
  vfio_listener_region_add_ram: {
    text: new RegExp(`^region_add \\[ram\\] ${RANGE} \\[.*\\]$`),
    read: (range) => ({ kind: "add-ram", ...rangeOf(range) }),
  },
  vfio_listener_region_del: {
    text: new RegExp(`^region_del ${RANGE}$`),
    read: (range) => ({ kind: "remove-range", ...rangeOf(range) }),
  },
  vfio_iommu_map_notify: {
    text: new RegExp(`^iommu (?<op>MAP|UNMAP) @ ${RANGE}$`),
    read: ({ op, ...range }) => ({ kind: op === "MAP" ? "map" : "unmap", ...rangeOf(range) }),
  },
  vfio_prereg_register: {
    text: /^va=0x(?<start>[0-9a-f]{1,16}) size=0x(?<bytes>[0-9a-f]{1,16}) ret=(?<ret>-?\d+)$/,
    read: ({ start, bytes, ret }) => ({
      kind: "register",
      start: hexOf(start),
      bytes: hexOf(bytes),
      errno: -Number(ret),
    }),
  },
  vfio_prereg_unregister: {
    text: /^va=0x(?<start>[0-9a-f]{1,16}) size=0x(?<bytes>[0-9a-f]{1,16}) ret=(?<ret>-?\d+)$/,
    read: ({ start, bytes, ret }) => ({
      kind: "unregister",
      start: hexOf(start),
      bytes: hexOf(bytes),
      errno: -Number(ret),
    }),
  },
};

/** QEMU's messages, behind its name. */
const MESSAGES: readonly HostText[] = [
  {
    text: /vfio_(?:container_)?dma_(?<op>map|unmap)\(0x[0-9a-f]+, 0x(?<start>[0-9a-f]{1,16}), 0x(?<bytes>[0-9a-f]{1,16})(?:, (?:0x[0-9a-f]+|\(nil\)))?\) = -(?<ret>\d+) \((?<why>[^()]*)\)/,
    read: ({ op, start, bytes, ret, why }) => ({
      kind: "failed",
      call: op,
      start: hexOf(start),
      bytes: hexOf(bytes),
      errno: Number(ret),
      why,
    }),
  },
  {
    text: /VFIO_(?<op>MAP|UNMAP)_DMA failed: (?<why>.+)$/,
    read: ({ op, why }) => ({ kind: "failed", call: op!.toLowerCase(), why }),
  },
  {
    text: /Failed to create (?:a window, ret = -?\d+ \((?<why>[^()]*)\)|SPAPR window: (?<reason>.+)$)/,
    read: ({ why, reason }) => ({ kind: "failed", call: "create a window", why: why ?? reason }),
  },
  {
    text: /(?<why>can't map guest IOVA region 0x(?<start>[0-9a-f]{1,16})\.\.0x(?<last>[0-9a-f]{1,16}))/,
    read: ({ why, ...range }) => ({
      kind: "failed",
      call: "follow a window of the guest",
      ...rangeOf(range),
      why,
    }),
  },
  {
    text: /(?<why>Host doesn't support (?:page size|DMA window) .+)$/,
    read: ({ why }) => ({ kind: "failed", call: "create a window", why }),
  },
  {
    text: /(?<why>Memory registering failed.*)$/,
    read: ({ why }) => ({ kind: "failed", call: "register memory", why }),
  },
];

/** How messages begin that cannot be anything else. */
const BEGUN_MESSAGE =
  /vfio_(?:container_)?dma_(?:map|unmap)\(0x|Failed to create a window, ret = |can't map guest IOVA region 0x/;

const hexOf = (digits: string | undefined): bigint => BigInt(`0x${digits}`);

const rangeOf = ({ start, last }: Readonly<Record<string, string | undefined>>): Fields => ({
  start: hexOf(start),
  bytes: hexOf(last) - hexOf(start) + 1n,
});

/** A trace event, at the start of the line or behind thread and time, what a logger puts before lines, or a tag of a page. */
const NAMED = /(?:^|[\s:>])(?<name>vfio_[a-z0-9_]+) (?<text>.*)$/;

/** Is a line that cannot be read the beginning of one of the trace events or messages? */
export const beginsHostLine = (line: string): boolean => {
  const name = /^vfio_[a-z0-9_]+(?= )/.exec(line)?.[0];
  return name === undefined ? BEGUN_MESSAGE.test(line) : Object.hasOwn(EVENTS, name);
};

/**
 * Reads a line that has `vfio` in any case, `DMA window` or such in it.
 *
 * @returns undefined if it tells nothing of the host's side
 */
export function readHostLine(line: string): (Fields & Pick<HostEvent, "kind">) | undefined {
  const { name, text = "" } = NAMED.exec(line)?.groups ?? {};
  const event = name === undefined ? undefined : EVENTS[name];
  if (event !== undefined) {
    const match = event.text.exec(text.trim());
    return match === null ? undefined : event.read(match.groups!);
  }
  for (const { text, read } of MESSAGES) {
    const match = text.exec(line);
    if (match !== null) return read(match.groups!);
  }
  return undefined;
}
