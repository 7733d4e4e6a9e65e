import { hiOfNumber, loOfNumber } from "../../base/u64.ts";
import {
  ATTRIBUTE_BITS,
  DIRECTION_NAMES,
  DMA_ALLOC_SGT,
  DMA_ALLOC_SGT_ERR,
  DMA_EVENT_NAMES,
  DMA_FREE_SGT,
  DMA_MAP_RESOURCE,
  DMA_MAP_SG,
  DMA_MAP_SG_ERR,
  DMA_SYNC_SG_FOR_CPU,
  DMA_SYNC_SG_FOR_DEVICE,
  DMA_SYNC_SINGLE_FOR_CPU,
  DMA_UNMAP_SG,
  type DmaEvent,
  type HalvesList,
} from "../../formats/trace/dma-event.ts";
import type { DmaLogReader } from "../../formats/trace/dma-log.ts";
import type { Filter, FilterField, FilterFields } from "./fields.ts";

/** Takes an event of Linux, or leaves it out. The reader has the names of devices and tasks. */
export type DmaFilter = Filter<DmaEvent, DmaLogReader>;

type Field = FilterField<DmaEvent, DmaLogReader>;

/** trace-cmd's name of the events' system, which may stand before theirs or alone. */
const SYSTEM = "dma";

const isList = (kind: number): boolean =>
  kind === DMA_MAP_SG ||
  kind === DMA_UNMAP_SG ||
  kind === DMA_SYNC_SG_FOR_CPU ||
  kind === DMA_SYNC_SG_FOR_DEVICE;
const isError = (kind: number): boolean => kind === DMA_MAP_SG_ERR || kind === DMA_ALLOC_SGT_ERR;
const hasEntries = (kind: number): boolean =>
  kind === DMA_MAP_SG ||
  kind === DMA_UNMAP_SG ||
  kind === DMA_ALLOC_SGT ||
  kind === DMA_FREE_SGT ||
  isError(kind);
const hasRanges = (kind: number): boolean => isList(kind) && kind !== DMA_UNMAP_SG;
const hasSize = (kind: number): boolean => !isList(kind) && !isError(kind);
/** Syncs have none, and `dma_free_sgt` neither. */
const hasAttributes = (kind: number): boolean => kind < DMA_SYNC_SINGLE_FOR_CPU && kind !== DMA_FREE_SGT;
const everywhere = (): boolean => true;

/** A number that is exact below 2^53, or negative. */
function number(
  hasKind: (kind: number) => boolean,
  of: (event: DmaEvent) => number,
  words: Readonly<Record<string, number>> = {},
): Field {
  return {
    type: "number",
    has: ({ kind }) => hasKind(kind),
    hi: (event) => hiOfNumber(of(event)),
    lo: (event) => loOfNumber(of(event)) >>> 0,
    signed: true,
    words,
  };
}

const list = (hasKind: (kind: number) => boolean, of: (event: DmaEvent) => HalvesList): Field => ({
  type: "list",
  has: ({ kind }) => hasKind(kind),
  list: of,
});

/** Directions as they are printed, and as the kernel's source has them. */
const DIRECTION_WORDS: Readonly<Record<string, number>> = Object.fromEntries(
  DIRECTION_NAMES.flatMap((name, value) => [
    [name, value],
    [`DMA_${name}`, value],
  ]),
);

/** Fields by the names that the kernel has for them, in its events and in what it prints. */
const FIELDS: Readonly<Record<string, Field>> = {
  device: {
    type: "text",
    has: everywhere,
    text: ({ device }, { devices }) => devices.names[device],
  },
  dma_addr: {
    type: "number",
    has: ({ kind }) => hasSize(kind),
    hi: ({ dmaHi }) => dmaHi,
    lo: ({ dmaLo }) => dmaLo,
    signed: false,
    words: {},
  },
  phys_addr: {
    type: "number",
    has: ({ kind }) => kind <= DMA_MAP_RESOURCE,
    hi: ({ physHi }) => physHi,
    lo: ({ physLo }) => physLo,
    signed: false,
    words: {},
  },
  size: number(hasSize, ({ size }) => size),
  dir: number(everywhere, ({ direction }) => direction, DIRECTION_WORDS),
  attrs: number(hasAttributes, ({ attributes }) => attributes, ATTRIBUTE_BITS),
  err: number(isError, ({ error }) => error),
  nents: number(hasEntries, ({ totalEntries }) => totalEntries),
  ents: number(hasRanges, ({ totalRanges }) => totalRanges),
  truncated: number(
    (kind) => kind === DMA_MAP_SG,
    ({ truncated }) => (truncated ? 1 : 0),
  ),
  phys_addrs: list(hasEntries, ({ entries }) => entries),
  dma_addrs: list(hasRanges, ({ ranges }) => ranges),
  sizes: list(hasRanges, ({ rangeSizes }) => rangeSizes),
  cpu: number(everywhere, ({ cpu }) => cpu),
  common_pid: number(everywhere, ({ pid }) => pid),
  comm: {
    type: "text",
    has: everywhere,
    text: ({ task }, { tasks }) => tasks.names[task],
  },
};

/** Other names of fields: those of single events, and what tools and people call them. */
const ALIASES: Readonly<Record<string, string>> = {
  dev: "device",
  addr: "dma_addr",
  addrs: "phys_addrs",
  lengths: "sizes",
  full_nents: "nents",
  full_ents: "ents",
  direction: "dir",
  CPU: "cpu",
  pid: "common_pid",
  COMM: "comm",
};

/** Kinds of Linux' events with a name; none if it is no name of theirs. */
export function findDmaKinds(matches: (name: string) => boolean): readonly number[] {
  const all = DMA_EVENT_NAMES.map((name, kind) => ({ name, kind }));
  if (matches(SYSTEM)) return all.map(({ kind }) => kind);
  return all.filter(({ name }) => matches(name) || matches(`${SYSTEM}/${name}`)).map(({ kind }) => kind);
}

/** The fields of events of Linux. */
export function dmaFields(kinds: readonly number[]): FilterFields<DmaEvent, DmaLogReader> {
  const there = ({ has }: Field): boolean => kinds.some((kind) => has({ kind } as DmaEvent));
  return {
    names: Object.keys(FIELDS).filter((name) => there(FIELDS[name]!)),
    find: (name) => {
      const own = Object.hasOwn(ALIASES, name) ? ALIASES[name]! : name;
      const field = Object.hasOwn(FIELDS, own) ? FIELDS[own]! : undefined;
      return field !== undefined && there(field) ? field : undefined;
    },
  };
}
