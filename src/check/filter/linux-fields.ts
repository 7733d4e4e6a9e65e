import { hiOfNumber, loOfNumber } from "../../base/u64.ts";
import {
  ATTRIBUTE_BITS,
  DIRECTION_NAMES,
  type DmaNames,
  type HalvesList,
  type LinuxDmaEvent,
} from "../../formats/trace/dma-event.ts";
import { DMA_EVENT_NAMES, type DmaField, kindsPrinting } from "../../formats/trace/dma-kinds.ts";
import type { Filter, FilterField, FilterFields } from "./fields.ts";

/** Takes an event of Linux, or leaves it out. The reader has the names of devices and tasks. */
export type DmaFilter = Filter<LinuxDmaEvent, DmaNames>;

type Field = FilterField<LinuxDmaEvent, DmaNames>;

/** trace-cmd's name of the events' system, which may stand before theirs or alone. */
const SYSTEM = "dma";

/** Does an event print a field? */
const printing = (field: DmaField): ((event: LinuxDmaEvent) => boolean) => {
  const kinds = kindsPrinting(field);
  return ({ kind }) => kinds[kind]!;
};
const everywhere = (): boolean => true;

/** A number that is exact below 2^53, or negative. */
function number(
  has: (event: LinuxDmaEvent) => boolean,
  of: (event: LinuxDmaEvent) => number,
  words: Readonly<Record<string, number>> = {},
): Field {
  return {
    type: "number",
    has,
    hi: (event) => hiOfNumber(of(event)),
    lo: (event) => loOfNumber(of(event)) >>> 0,
    signed: true,
    words,
  };
}

const list = (has: (event: LinuxDmaEvent) => boolean, of: (event: LinuxDmaEvent) => HalvesList): Field => ({
  type: "list",
  has,
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
    has: printing("dmaAddress"),
    hi: ({ dmaHi }) => dmaHi,
    lo: ({ dmaLo }) => dmaLo,
    signed: false,
    words: {},
  },
  phys_addr: {
    type: "number",
    has: printing("physAddress"),
    hi: ({ physHi }) => physHi,
    lo: ({ physLo }) => physLo,
    signed: false,
    words: {},
  },
  size: number(printing("size"), ({ size }) => size),
  dir: number(everywhere, ({ direction }) => direction, DIRECTION_WORDS),
  attrs: number(printing("attributes"), ({ attributes }) => attributes, ATTRIBUTE_BITS),
  err: number(printing("error"), ({ error }) => error),
  nents: number(printing("entries"), ({ totalEntries }) => totalEntries),
  ents: number(printing("ranges"), ({ totalRanges }) => totalRanges),
  truncated: number(printing("truncated"), ({ truncated }) => (truncated ? 1 : 0)),
  phys_addrs: list(printing("entries"), ({ entries }) => entries),
  dma_addrs: list(printing("ranges"), ({ ranges }) => ranges),
  sizes: list(printing("ranges"), ({ rangeSizes }) => rangeSizes),
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
export function dmaFields(kinds: readonly number[]): FilterFields<LinuxDmaEvent, DmaNames> {
  const there = ({ has }: Field): boolean => kinds.some((kind) => has({ kind } as LinuxDmaEvent));
  return {
    names: Object.keys(FIELDS).filter((name) => there(FIELDS[name]!)),
    find: (name) => {
      const own = Object.hasOwn(ALIASES, name) ? ALIASES[name]! : name;
      const field = Object.hasOwn(FIELDS, own) ? FIELDS[own]! : undefined;
      return field !== undefined && there(field) ? field : undefined;
    },
  };
}
