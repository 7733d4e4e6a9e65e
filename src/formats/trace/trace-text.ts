import { toBig } from "../../base/u64.ts";
import type { QemuTraceEvent } from "./trace-event.ts";
import { D32, D64, findSchema, POINTER, U32, X32 } from "./trace-schema.ts";

/**
 * The line that QEMU's log backend writes for an event, without the line end.
 * It begins with thread and time if the event has them.
 *
 * @public
 */
export function formatQemuTraceEvent(event: QemuTraceEvent): string {
  const schema = findSchema(event.kind, event.pci);
  let text = formatOrigin(event) + schema.name;
  for (const { before, type, word } of schema.fields) {
    text += before + formatNumber(type, event.words[word]!, event.words[word + 1]!);
  }
  return text + schema.after;
}

/** `tid@seconds.microseconds:` or nothing. */
function formatOrigin(event: QemuTraceEvent): string {
  if (Number.isNaN(event.thread) || Number.isNaN(event.seconds)) return "";
  const microseconds = String(Math.floor(event.nanoseconds / 1000)).padStart(6, "0");
  return `${event.thread}@${event.seconds}.${microseconds}:`;
}

function formatNumber(type: number, hi: number, lo: number): string {
  if (type === D64) return hi === 0 ? String(lo) : String(BigInt.asIntN(64, toBig(hi, lo)));
  if (type === D32) return String(lo | 0);
  if (type === U32) return String(lo);
  if (type === X32) return lo.toString(16);
  const digits = hi === 0 ? lo.toString(16) : hi.toString(16) + lo.toString(16).padStart(8, "0");
  if (type !== POINTER) return digits;
  return (hi | lo) === 0 ? "(nil)" : `0x${digits}`;
}
