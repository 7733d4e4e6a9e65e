import { toBig } from "../../base/u64.ts";
import { IommuRange, type KernelStatement } from "../trace/kernel-event.ts";
import { accessOf } from "../trace/kernel-line.ts";
import { joinHalves, textOf } from "./byte-reader.ts";
import type { EventField, EventFormat } from "./event-format.ts";
import { fixedSize, isNumber, type RawBytes, RawNumber, RawRange } from "./raw-fields.ts";

/** Reads what an event of another system says of DMA; the data is as long as its format says. */
export type RawStatement = (raw: RawBytes, start: number, end: number) => KernelStatement | undefined;

/** The number in a field. */
type Value = (raw: RawBytes, start: number) => RawNumber;
/** The text in a field; undefined if it is not within the event. */
type Text = (raw: RawBytes, start: number, end: number) => string | undefined;

/** Makes the reader of a kind of event; undefined if the format lacks what is needed. */
type Make = (
  number: (name: string) => Value | undefined,
  text: (name: string) => Text | undefined,
) => RawStatement | undefined;

const range =
  (type: IommuRange["type"]): Make =>
  (number) => {
    const iova = number("iova");
    const size = number("size");
    if (iova === undefined || size === undefined) return undefined;
    return (raw, start) => {
      const from = iova(raw, start);
      const bytes = size(raw, start);
      return new IommuRange(type, from.hi, from.lo, bytes.hi, bytes.lo);
    };
  };

/** By system and name. */
const STATEMENTS: Readonly<Record<string, Make>> = {
  "iommu:map": range("iommu-map"),
  "iommu:unmap": range("iommu-unmap"),
  "iommu:attach_device_to_domain": (_number, text) => {
    const device = text("device");
    if (device === undefined) return undefined;
    return (raw, start, end) => {
      const name = device(raw, start, end);
      return name === undefined ? undefined : { type: "attached", device: name };
    };
  },
  "iommu:io_page_fault": (number, text) => {
    const device = text("device");
    const iova = number("iova");
    const flags = number("flags");
    if (device === undefined || iova === undefined || flags === undefined) return undefined;
    return (raw, start, end) => {
      const name = device(raw, start, end);
      if (name === undefined) return undefined;
      const access = accessOf(BigInt(flags(raw, start).lo));
      return { type: "fault", device: name, address: big(iova(raw, start)), access };
    };
  },
  "swiotlb:swiotlb_bounced": (number, text) => {
    const device = text("dev_name");
    const mask = number("dma_mask");
    const physical = number("dev_addr");
    const size = number("size");
    const force = number("force") ?? number("swiotlb_force");
    if (device === undefined || mask === undefined || physical === undefined || size === undefined)
      return undefined;
    return (raw, start, end) => {
      const name = device(raw, start, end);
      if (name === undefined) return undefined;
      const bytes = size(raw, start);
      return {
        type: "bounced",
        device: name,
        mask: big(mask(raw, start)),
        physical: big(physical(raw, start)),
        size: joinHalves(bytes.hi, bytes.lo),
        isForced: (force?.(raw, start).lo ?? 0) !== 0,
      };
    };
  },
};

const big = ({ hi, lo }: RawNumber): bigint => toBig(hi, lo);

/** The reader of a format; undefined if it says nothing of DMA. */
export function rawStatement(format: EventFormat): RawStatement | undefined {
  const key = `${format.system}:${format.name}`;
  const make = Object.hasOwn(STATEMENTS, key) ? STATEMENTS[key] : undefined;
  const field = (name: string): EventField | undefined => format.fields.get(name);
  const fixed = fixedSize(format);
  const read = make?.(
    (name) => {
      const found = field(name);
      return isNumber(found) ? numberIn(found) : undefined;
    },
    (name) => {
      const found = field(name);
      return found === undefined ? undefined : textIn(found);
    },
  );
  if (read === undefined) return undefined;
  return (raw, start, end) => (end - start < fixed ? undefined : read(raw, start, end));
}

function numberIn({ offset, size }: EventField): Value {
  const number = new RawNumber();
  return (raw, start) => {
    number.read(raw, start + offset, size);
    return number;
  };
}

function textIn(field: EventField): Text {
  const place = new RawRange();
  return (raw, start, end) => {
    if (!place.read(raw, field, start, end)) return undefined;
    place.cutText(raw.bytes);
    return textOf(raw.bytes.subarray(place.start, place.end));
  };
}
