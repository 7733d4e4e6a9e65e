import type { LinuxDmaEvent } from "./dma-event.ts";
import type { OriginReader } from "./dma-origin.ts";
import type { LinePrefix } from "./line-prefix.ts";
import { NumberReader } from "./number-reader.ts";
import { encode, startsWith, TextSearch } from "./words.ts";

const SPACE = 0x20;
const HASH = 0x23;
const SLASH = 0x2f;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Before what is lost: `CPU:1 [LOST 619 EVENTS]`, of trace-cmd `CPU:1 [619 EVENTS DROPPED]`; the number may be missing. */
const CPU = "CPU:";
const CPU_OF_LOST = new TextSearch(CPU);
const LOST_WORD = encode("LOST ");
const PAGE_START = encode("[SUBBUFFER START]");
const LOST_ENDS = ["EVENTS]", "EVENTS DROPPED]"].map(encode);
const BUFFER_STARTED = encode("##### CPU ");
const ENTRIES = encode("# entries-in-buffer/entries-written: ");
const CPUS = encode("cpus=");
/** In the head of the kernel's trace files. */
const CPU_NUMBER = new TextSearch("#P:");
/** perf script --show-lost-events. */
const PERF_LOST = new TextSearch("PERF_RECORD_LOST");

/**
 * What a text of Linux' events says of the recording itself: in its head, and
 * in the lines that say that events were lost.
 */
export class RecordingRemarks {
  /** CPUs of the machine; 0 if the text does not say. */
  cpus = 0;
  /** Entries that the buffer had when it was read; 0 if the text does not say. */
  entries = 0;
  /** Events that had left the buffer before it was read. */
  overwritten = 0;

  /** Was the line that was read last one of the head, or empty? */
  isComment = false;
  /** Events that are lost where the line that was read last stands, 0 for a number that is not known, -1 for none. */
  lost = -1;
  /** The CPU whose events these are, -1 if the line does not tell; and where the remark begins in the line. */
  cpu = 0;
  at = 0;
  /** Does a page of the buffer begin there (trace-cmd report --debug)? */
  isPageStart = false;

  readonly #event: LinuxDmaEvent;
  readonly #origin: OriginReader;
  readonly #prefix: LinePrefix;
  readonly #numbers = new NumberReader();

  /** @param origin reads into `event` */
  constructor(event: LinuxDmaEvent, origin: OriginReader, prefix: LinePrefix) {
    this.#event = event;
    this.#origin = origin;
    this.#prefix = prefix;
  }

  /** Reads a line that is no event. */
  read(bytes: Uint8Array, start: number, end: number): void {
    this.isComment = false;
    this.lost = -1;
    this.isPageStart = false;
    this.at = start;
    if (startsWith(bytes, start, BUFFER_STARTED)) {
      this.isComment = true;
      this.#numbers.decimal(bytes, start + BUFFER_STARTED.length);
      this.cpu = this.#numbers.lo;
      this.lost = 0;
    } else if (bytes[start] === HASH || start === end || startsWith(bytes, start, CPUS)) {
      this.isComment = true;
      this.#readHead(bytes, start, end);
    } else if (bytes[end - 1] === CLOSE_BRACKET) {
      const cpu = CPU_OF_LOST.find(bytes, start, end);
      if (cpu >= 0) this.#readLost(bytes, cpu, end);
    } else {
      const lost = PERF_LOST.find(bytes, start, end);
      if (lost >= 0) this.#readPerfLost(bytes, start, lost, end);
    }
  }

  #readHead(bytes: Uint8Array, start: number, end: number): void {
    if (startsWith(bytes, start, ENTRIES)) this.#readEntries(bytes, start + ENTRIES.length);
    const cpus = startsWith(bytes, start, CPUS) ? start : CPU_NUMBER.find(bytes, start, end);
    if (cpus >= 0 && this.#numbers.decimal(bytes, cpus + (cpus === start ? CPUS.length : 3)) >= 0) {
      this.cpus = this.#numbers.lo;
    }
  }

  /** `tail 332 [000]   275.615436: PERF_RECORD_LOST lost 17` */
  #readPerfLost(bytes: Uint8Array, start: number, name: number, end: number): void {
    this.#origin.read(bytes, this.#prefix.skip(bytes, start, name), name, "perf-script");
    let last = end;
    while (last > name && bytes[last - 1] !== SPACE) last--;
    const known = this.#numbers.decimal(bytes, last) >= 0;
    this.cpu = this.#event.cpu;
    this.lost = known ? this.#numbers.lo : 0;
  }

  #readLost(bytes: Uint8Array, start: number, end: number): void {
    const after = this.#numbers.decimal(bytes, start + CPU.length);
    const cpu = this.#numbers.lo;
    if (after < 0 || bytes[after] !== SPACE || bytes[after + 1] !== OPEN_BRACKET) return;
    if (startsWith(bytes, after + 1, PAGE_START)) {
      this.isComment = true;
      this.isPageStart = true;
      this.at = start;
      return;
    }
    let at = after + 2;
    if (startsWith(bytes, at, LOST_WORD)) at += LOST_WORD.length;
    const afterNumber = this.#numbers.decimal(bytes, at);
    const known = afterNumber >= 0 && bytes[afterNumber] === SPACE;
    const rest = known ? afterNumber + 1 : at;
    if (!LOST_ENDS.some((text) => rest + text.length === end && startsWith(bytes, rest, text))) return;
    this.cpu = cpu;
    this.at = start;
    this.lost = known ? this.#numbers.lo : 0;
  }

  /** `1907/4636`: entries that are left, and all that were written. */
  #readEntries(bytes: Uint8Array, at: number): void {
    const slash = this.#numbers.decimal(bytes, at);
    const left = this.#numbers.lo;
    if (slash < 0 || bytes[slash] !== SLASH || this.#numbers.decimal(bytes, slash + 1) < 0) return;
    this.entries = left;
    this.overwritten = Math.max(0, this.#numbers.lo - left);
  }
}
