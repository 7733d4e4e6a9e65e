import type { LinuxDmaEvent } from "./dma-event.ts";
import type { OriginReader } from "./dma-origin.ts";
import type { LinePrefix } from "./line-prefix.ts";
import { NumberReader } from "./number-reader.ts";
import { encode, startsWith, TextSearch } from "./words.ts";

const SPACE = 0x20;
const HASH = 0x23;
const SLASH = 0x2f;
const OPEN_BRACKET = 0x5b;

const CPU_OF_LOST = encode("CPU:");
const LOST_WORD = encode("LOST ");
const BUFFER_STARTED = encode("##### CPU ");
const ENTRIES = encode("# entries-in-buffer/entries-written: ");
const CPUS = encode("cpus=");
/** In the head of the kernel's trace files. */
const CPU_NUMBER = new TextSearch("#P:");
/** perf script --show-lost-events. */
const PERF_LOST = new TextSearch(": PERF_RECORD_LOST");

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
  /** The CPU whose events these are. */
  cpu = 0;

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
    if (startsWith(bytes, start, CPU_OF_LOST)) this.#readLost(bytes, start, end);
    else if (startsWith(bytes, start, BUFFER_STARTED)) {
      this.isComment = true;
      this.#numbers.decimal(bytes, start + BUFFER_STARTED.length);
      this.cpu = this.#numbers.lo;
      this.lost = 0;
    } else if (bytes[start] === HASH || start === end || startsWith(bytes, start, CPUS)) {
      this.isComment = true;
      this.#readHead(bytes, start, end);
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
  #readPerfLost(bytes: Uint8Array, start: number, colon: number, end: number): void {
    this.#origin.read(bytes, this.#prefix.skip(bytes, start, colon), colon + 1, false);
    let last = end;
    while (last > colon && bytes[last - 1] !== SPACE) last--;
    const known = this.#numbers.decimal(bytes, last) >= 0;
    this.cpu = this.#event.cpu;
    this.lost = known ? this.#numbers.lo : 0;
  }

  /** `CPU:1 [LOST 619 EVENTS]`, of trace-cmd `CPU:1 [619 EVENTS DROPPED]`; the number may be missing. */
  #readLost(bytes: Uint8Array, start: number, end: number): void {
    const after = this.#numbers.decimal(bytes, start + CPU_OF_LOST.length);
    const cpu = this.#numbers.lo;
    if (after < 0 || after + 2 > end || bytes[after] !== SPACE || bytes[after + 1] !== OPEN_BRACKET) return;
    const lost = startsWith(bytes, after + 2, LOST_WORD) ? LOST_WORD.length : 0;
    const known = this.#numbers.decimal(bytes, after + 2 + lost) >= 0;
    this.cpu = cpu;
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
