import { IommuError } from "../../base/errors.ts";
import { counted, formatCount } from "../../base/units.ts";
import { type FileKind, fileKind, isText, KIND_BYTES } from "../file-kind.ts";
import { type DamagedLine, LineReader } from "./line-reader.ts";
import type { Recording } from "./recording.ts";

/** Bytes of a line that can show what it is. */
const LINE_START = 240;
/** Names of events that are distinguished, and that a message lists. */
const MAX_NAMES = 1000;
const LISTED = 5;
/** Lines that cannot be read and are shown. */
const SHOWN = 3;

/** An event of Linux: after a time, perhaps with its system, ends in a colon. */
const KERNEL_EVENT = /(?:^|\s)\d+(?:\.\d+|us\W?|(?=:))\s?:\s+((?:[a-z]\w*:)?[a-z]\w*)[:(]\s?/;
/** An event of QEMU: at the start of its line, or after thread and time. */
const QEMU_EVENT = /^(?:\d+@\d+\.\d+:)?([a-z][a-z0-9]*_[a-z0-9_]*) /;
/** A line of `dma-api/dump`. */
const DUMPED = / idx \d+ P=\S+ (?:N=\S+ )?D=\S+ L=/;
/** Lines of the kernel's log, as its readers and loggers write them. */
const KERNEL_LOG: readonly RegExp[] = [
  // The kernel's own time, whatever stands before it; dmesg -d.
  /(?:^|[\s>])\[ *\d+\.\d{6}(?: <[ .\d]+>)?\]/,
  // dmesg -T, -e, -r, -x, --time-format iso, --json.
  /^\[(?:[A-Z][a-z]{2} )?[A-Z][a-z]{2} ?[ \d]\d \d\d:\d\d/,
  /^<[0-7]>/,
  /^kern +:\w+ *:/,
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{6}[+-]/,
  /^[{ ]*"dmesg": ?\[/,
  // /dev/kmsg and netconsole.
  /^(?:[\w.+~-]+,)?\d{1,4},\d+,\d+,[^\s;]*;/,
  // syslog, and journalctl with each of its -o.
  /(?:^|\s)kernel(?::| - - -) /,
  /\b(?:_TRANSPORT|SYSLOG_IDENTIFIER)(?:=|" ?: ?")kernel\b/,
];
/** First line of the kernel's trace files. */
const TRACER = /^# tracer: /;

const RECORD_LINUX =
  "record dma events: echo 1 > /sys/kernel/tracing/events/dma/enable (Linux 6.12 and later), or trace-cmd record -e dma";
const READ_LOG =
  "check judges what it says of DMA, also as --kernel-log beside a trace; plan --from explains its windows";
const RECORD_QEMU = "start QEMU with -trace 'spapr_iommu*' -D qemu.log";
const RECORD_ANY = `of QEMU: ${RECORD_QEMU}; of Linux: ${RECORD_LINUX}`;

/** `1 line`, `120 other lines`. */
const linesText = (count: number, which = ""): string => counted(count, `${which}line`);

/** What a simple trace of QEMU without events of ours is, and what to do. */
export const describeSimple = (others: number): string =>
  `${counted(others, "record")} of other events; it looks like a simple trace of QEMU; ${RECORD_QEMU}`;

/** What a recording without events of ours is, and what to do. */
export function describeRecording({ others, counts }: Recording): string {
  const parts = namesText(others, counts.other, "record");
  const what = parts.length === 0 ? "no records" : parts.join(", ");
  return `${what}, 0 of dma events; it is a recording of Linux with other events; ${RECORD_LINUX}`;
}

/** The most frequent names of events: `120 lines of swiotlb_bounced`. */
function namesText(counts: ReadonlyMap<string, number>, events: number, noun: string): string[] {
  const names = [...counts].sort(([, a], [, b]) => b - a).slice(0, LISTED);
  const parts = names.map(([name, count]) => `${counted(count, noun)} of ${name}`);
  const listed = names.reduce((sum, [, count]) => sum + count, 0);
  if (events > listed) parts.push(`${formatCount(events - listed)} of other events`);
  return parts;
}

/** The error for an input in which nothing can be read that is wanted of it. */
export const unknownEvents = (name: string, description: string): IommuError =>
  new IommuError("UNSUPPORTED", `${name}: no event that is known here: ${description}`, { file: name });

export const describeKind = ({ what, advice }: FileKind): string => `it looks like ${what}; ${advice}`;

/** What a file is that is no text that can be read, and what to do; undefined of text. */
export function describeNoText(head: Uint8Array): string | undefined {
  const known = fileKind(head, true);
  if (isText(head)) return known?.isText === false ? describeKind(known) : undefined;
  return known === undefined ? `it is no text; ${RECORD_ANY}` : describeKind(known);
}

/** Counts what stands in a text before its first event of ours, to say so if there is none. */
export class ForeignText extends LineReader {
  #bytes = 0;
  #head: Uint8Array = new Uint8Array(0);
  #isText = true;
  #events = 0;
  #headLines = 0;
  #kernelLog = 0;
  /** Last lines without a line end. */
  #torn = 0;
  #dumped = 0;
  readonly #names = new Map<string, number>();
  #isKernel = false;
  #isQemu = false;

  constructor() {
    super(1 << 16);
  }

  /** Lines of a form that only the kernel's log has. */
  get kernelLogLines(): number {
    return this.#kernelLog;
  }

  override push(data: Uint8Array): void {
    if (this.#bytes === 0) {
      this.#head = data.slice(0, KIND_BYTES);
      this.#isText = isText(this.#head);
    }
    this.#bytes += data.length;
    if (this.#isText) super.push(data);
  }

  protected override readLines(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const newline = bytes.indexOf(0x0a, at);
      this.line++;
      // The start of a log that was cut while it was written is a hole of zeros.
      while (bytes[at] === 0) at++;
      this.#readLine(String.fromCharCode(...bytes.subarray(at, Math.min(newline, at + LINE_START))));
      at = newline + 1;
    }
  }

  protected override longLine(): void {}

  protected override tornLine(): void {
    this.#torn = 1;
  }

  #readLine(line: string): void {
    if (TRACER.test(line)) this.#isKernel = true;
    if (line === "" || line.startsWith("#")) {
      this.#headLines++;
      return;
    }
    if (KERNEL_LOG.some((form) => form.test(line))) this.#kernelLog++;
    if (DUMPED.test(line)) this.#dumped++;
    const kernel = KERNEL_EVENT.exec(line)?.[1];
    const name = kernel ?? QEMU_EVENT.exec(line)?.[1];
    if (name === undefined) return;
    if (kernel !== undefined) this.#isKernel = true;
    else this.#isQemu = true;
    this.#events++;
    if (this.#names.has(name) || this.#names.size < MAX_NAMES) {
      this.#names.set(name, (this.#names.get(name) ?? 0) + 1);
    }
  }

  /**
   * What the text is, and what to do.
   *
   * @param damaged lines of it that name an event of ours
   */
  describe(damaged: readonly DamagedLine[]): string {
    if (this.#bytes === 0) return "the file is empty";
    const noText = describeNoText(this.#head);
    if (noText !== undefined) return noText;
    const known = fileKind(this.#head, true);
    if (known !== undefined) return describeKind(known);
    if (damaged.length > 0) return this.#refused(damaged);
    const [looks, advice] = this.#kind();
    return `${this.#contents()}, 0 of dma events or spapr_iommu events; it looks like ${looks}; ${advice}`;
  }

  #refused(damaged: readonly DamagedLine[]): string {
    const shown = damaged
      .slice(0, SHOWN)
      .map(({ line, text }) => `line ${line} names one and cannot be read: ${text}`);
    return `${this.#contents()}; ${shown.join("; ")}; is something missing in these lines, or was something put around them? Give them as they were recorded`;
  }

  /** `120 lines of swiotlb_bounced, 12 other lines`. */
  #contents(): string {
    const parts = namesText(this.#names, this.#events, "line");
    const others = this.line - this.#events - this.#torn;
    if (others > 0) parts.push(linesText(others, "other "));
    if (this.#torn > 0) parts.push("a last line without line end, which is left out as it may be cut off");
    return parts.join(", ");
  }

  #kind(): readonly [looks: string, advice: string] {
    if (this.#isKernel) return ["a trace of Linux with other events", RECORD_LINUX];
    if (this.#isQemu) return ["a log of QEMU with other events", RECORD_QEMU];
    const rest = this.line - this.#headLines - this.#events;
    if (this.#dumped * 2 > rest)
      return ["a dma-api/dump of Linux", "map, alive and who show it, and diff compares two"];
    if (this.#kernelLog * 2 > rest) return ["the kernel's log", READ_LOG];
    return ["some other text", RECORD_ANY];
  }
}
