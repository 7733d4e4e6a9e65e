import type { LinuxDmaEvent } from "./dma-event.ts";
import { OriginText } from "./origin-text.ts";
import { PerfOrigin } from "./perf-origin.ts";
import type { NameTable } from "./words.ts";

/**
 * What stands before an event's name in the text of a Linux trace: task,
 * process, CPU, flags and time. It is read from its end, since a task's name
 * may hold anything.
 *
 *     kworker/u4:1-28      [000] d.h..    11.702445: dma_map_page:     the kernel
 *     insmod-111     (-------) [000] .....    12.647278: …             with record-tgid
 *     insmod-111       0..... 12647278us#: …                           latency-format
 *     kworker/-12      0.....    10.946595468: …                       trace-cmd report -l
 *     kworker/u4:0-12    [000]-0x0    10.946595: …                     trace-cmd report -R
 *     kworker/-12      0-0x0    10.946595: …                           … and -l
 *     kworker/u4:0-12    [000]    10.946595: (+37) …                   trace-cmd report --ts-diff
 *     kworker/u4:0-12    [000] .....101192083566: …                    trace-cmd report, a clock without a point
 *     kworker/u4:1-ev      28 [000]    35.193728:   dma:dma_alloc: …   perf script, of which -F leaves any column out
 *          0.400 insmod/1234 dma:dma_alloc(…                           perf trace
 *          0.400 (         ): insmod/1234 dma:dma_alloc(…              … with system calls
 *      0)               |  /* dma_alloc: …                              function_graph
 *     kworker/u8:0      12   1 0 00000000 00000000 [0409cf16] 83.761ms (+0.053ms): …   verbose
 *
 * @module
 */

const SPACE = 0x20;
const OPEN_PARENTHESIS = 0x28;
const CLOSE_PARENTHESIS = 0x29;
const STAR = 0x2a;
const DOT = 0x2e;
const SLASH = 0x2f;
const COLON = 0x3a;
const BAR = 0x7c;

/** Flags, counts and a clock between CPU and time in the verbose form. */
const VERBOSE_WORDS = 4;

/** Does a comment begin before `end`? */
const isComment = (bytes: Uint8Array, start: number, end: number): boolean =>
  end - start > 1 && bytes[end - 1] === STAR && bytes[end - 2] === SLASH;

/** Who wrote the text. */
export type OriginTool = "kernel" | "perf-script" | "perf-trace";

/** Reads origins into an event. */
export class OriginReader {
  readonly #text: OriginText;
  readonly #perf: PerfOrigin;

  constructor(event: LinuxDmaEvent, tasks: NameTable) {
    this.#text = new OriginText(event, tasks);
    this.#perf = new PerfOrigin(this.#text);
  }

  /** Where the time begins and ends of what was read last; -1 if it has none that is one in seconds. */
  get timeAt(): number {
    return this.#text.timeAt;
  }
  get timeEnd(): number {
    return this.#text.timeEnd;
  }

  /**
   * Reads `[start, end)`, which ends where the event's name begins.
   *
   * @param tool that writes so: perf names the system before the event, and `perf trace` writes a call
   * @returns false if it is no origin
   */
  read(bytes: Uint8Array, start: number, end: number, tool: OriginTool): boolean {
    const text = this.#text;
    text.begin(bytes, start);
    if (end <= start) return true; // context-info is off
    if (tool === "perf-trace") return this.#perf.readTrace(start, end);
    let at = text.skipBlanks(end);
    if (tool === "perf-script") return this.#perf.readScript(at);
    if (isComment(bytes, start, at)) return this.#readGraph(start, at);
    if (bytes[at - 1] === CLOSE_PARENTHESIS) at = text.skipBlanks(this.#skipGroup(at));
    if (at === start || bytes[at - 1] !== COLON) return false;
    if (bytes[at - 2] === CLOSE_PARENTHESIS) return this.#readVerbose(at - 1);
    at = text.skipBlanks(text.readTime(at - 1));
    if (at === start) return !Number.isNaN(text.event.seconds);
    at = text.readCpu(at);
    at = this.#skipGroup(text.skipBlanks(at));
    return this.#readTask(text.skipBlanks(at));
  }

  /** ` 0)               |`, or `   59.782611 |   0)  insmod-111   |               |`: columns of the function_graph tracer. */
  #readGraph(start: number, end: number): boolean {
    const text = this.#text;
    const { bytes } = text;
    let close = start;
    while (close < end && bytes[close] !== CLOSE_PARENTHESIS) close++;
    const cpu = text.skipDigits(close);
    if (text.digits(cpu, close) < 0) return false;
    const bar = text.skipBlanks(cpu);
    if (bar > start && bytes[bar - 1] === BAR) text.readTime(text.skipBlanks(bar - 1));
    let task = close + 1;
    while (task < end && bytes[task] !== BAR) task++;
    text.start = close + 1;
    while (bytes[text.start] === SPACE) text.start++;
    text.event.cpu = text.digits(cpu, close);
    this.#readTask(text.skipBlanks(task));
    return true;
  }

  /** `12   1 0 00000000 00000000 [0409cf16] 83.761ms (+0.053ms)` of the verbose option. */
  #readVerbose(end: number): boolean {
    const text = this.#text;
    const to = text.skipBlanks(text.word(end));
    let at = text.word(to);
    let point = at;
    while (point < to && text.bytes[point] !== DOT) point++;
    const milliseconds = text.digits(at, point);
    const fraction = text.digits(point + 1, to - 2);
    if (milliseconds < 0 || fraction < 0 || to - 2 - point !== 4) return false;
    text.setTime(Math.floor(milliseconds / 1000), (milliseconds % 1000) * 1000 + fraction, 6);
    for (let words = 0; words < VERBOSE_WORDS; words++) at = text.word(text.skipBlanks(at));
    const cpu = text.skipBlanks(at);
    at = text.word(cpu);
    text.event.cpu = text.digits(at, cpu);
    return this.#readTask(text.skipBlanks(at));
  }

  /** `(-------)` or `(    138)`, the thread group. */
  #skipGroup(end: number): number {
    const text = this.#text;
    const { bytes } = text;
    if (end === text.start || bytes[end - 1] !== CLOSE_PARENTHESIS) return end;
    let at = end;
    while (at > text.start && bytes[at - 1] !== OPEN_PARENTHESIS) at--;
    return at > text.start ? at - 1 : end;
  }

  /** `name-123` */
  #readTask(end: number): boolean {
    const text = this.#text;
    const { bytes } = text;
    const from = text.skipDigits(end);
    text.event.pid = text.digits(from, end);
    if (text.event.pid < 0 || text.event.cpu < 0) return false;
    if (from === text.start) return true;
    text.setTask(text.skipBlanks(bytes[from - 1] === SPACE ? from : from - 1));
    return true;
  }
}
