import { CallStacks } from "../trace/call-stacks.ts";
import { type DmaNames, LinuxDmaEvent } from "../trace/dma-event.ts";
import { DMA_EVENT_NAMES } from "../trace/dma-kinds.ts";
import type { KernelStatement } from "../trace/kernel-event.ts";
import type { TraceHandlers } from "../trace/trace-reader.ts";
import { encode, NameTable } from "../trace/words.ts";
import { textOf } from "./byte-reader.ts";
import type { EventFormat } from "./event-format.ts";
import { KernelSymbols } from "./kernel-symbols.ts";
import type { RawClock } from "./raw-clock.ts";
import { RawDmaEvent } from "./raw-dma-event.ts";
import { type RawBytes, RawNumber } from "./raw-fields.ts";
import { type RawStatement, rawStatement } from "./raw-kernel-event.ts";
import { StackOwners } from "./stack-owners.ts";
import type { TracingData } from "./tracing-data.ts";

/** Each event begins with the number of its format; the process stands at 4. */
const HEAD_BYTES = 8;
const PROCESS = 4;

/** The list of a stack begins at 16, behind the number of its frames. */
const STACK_FRAMES = 16;

/** Records that are named of those that cannot be read. */
const MAX_DAMAGED = 20;

/**
 * Addresses from here on are none: the kernel fills stacks up with -1, and perf says so whose part of a stack follows.
 */
const CONTEXT_HI = 0xffff_ffff;
const CONTEXT_LO = 0xffff_f001;

const UNKNOWN = encode("<...>");

/** What a reader of recordings read and left out. Every record is counted once. */
export interface RawCounts {
  /** Records that became events. */
  events: number;
  /** Records of other events. */
  other: number;
  /** Records of other events that say something of DMA. */
  kernel: number;
  /** Call stacks, of whatever events. */
  stacks: number;
  /** Records of `dma` events that do not read as their format says. */
  damaged: number;
  /** Places where events of a CPU are missing, and how many these were where that is known. */
  lostMarkers: number;
  lost: number;
}

/** What becomes of the records of one format. */
type Decoder = { readonly dma: RawDmaEvent } | { readonly statement: RawStatement } | "stack";

/**
 * Reads the raw data of events, as trace.dat and perf.data have it, by the formats that the recording carries, and hands
 * out the events that the readers of text hand out. What stands for the line of a text is the number of the record.
 */
export class RawEvents implements DmaNames {
  readonly counts: RawCounts = {
    events: 0,
    other: 0,
    kernel: 0,
    stacks: 0,
    damaged: 0,
    lostMarkers: 0,
    lost: 0,
  };
  readonly devices: NameTable = new NameTable();
  readonly tasks: NameTable = new NameTable();
  readonly stacks: CallStacks = new CallStacks();
  /** Were events of ours switched on? Their formats are in the recording then. */
  readonly areRecorded: boolean;
  /** Records so far: the number of the last one, from 1. */
  records = 0;
  /** Set when the first time is known. */
  clock!: RawClock;
  readonly #handlers: TraceHandlers;
  readonly #event = new LinuxDmaEvent();
  readonly #decoders: (Decoder | undefined)[] = [];
  /** Names by the numbers of formats, and how many records of each were passed over. */
  readonly #names: string[] = [];
  readonly #passedOver: number[] = [];
  readonly #symbols: KernelSymbols;
  readonly #owners = new StackOwners();
  readonly #number = new RawNumber();
  /** Numbers of tasks by process. */
  readonly #taskOf = new Map<number, number>();
  /** The process of the last event, and the number of its task. */
  #lastPid = Number.NaN;
  #lastTask = -1;

  /** @param idle what the tool that recorded calls the idle task, process 0 */
  constructor(tracing: TracingData, idle: string, handlers: TraceHandlers) {
    this.#handlers = handlers;
    this.#symbols = new KernelSymbols(tracing.symbols);
    for (const format of tracing.formats) {
      this.#decoders[format.id] = this.#decoderOf(format);
      this.#names[format.id] = `${format.system}:${format.name}`;
    }
    this.areRecorded = this.#decoders.some((decoder) => decoder !== undefined && decoder !== "stack");
    this.setTask(0, idle);
    for (const line of textOf(tracing.tasks).matchAll(/^ *(\d{1,10}) (.{1,64})$/gm)) {
      this.setTask(Number(line[1]), line[2]!);
    }
  }

  /** How many records there were of other events, by their names. */
  get others(): ReadonlyMap<string, number> {
    const others = new Map<string, number>();
    // A sparse array: only those that occurred.
    this.#passedOver.forEach((count, id) => {
      others.set(this.#names[id] ?? `event ${id}`, count);
    });
    return others;
  }

  /** A process has a name from here on. */
  setTask(pid: number, name: string): void {
    const bytes = new TextEncoder().encode(name);
    this.#taskOf.set(pid, this.tasks.number(bytes, 0, bytes.length));
    this.#lastPid = Number.NaN;
  }

  #decoderOf(format: EventFormat): Decoder | undefined {
    const kind = format.system === "dma" ? DMA_EVENT_NAMES.indexOf(format.name) : -1;
    if (kind >= 0) return { dma: new RawDmaEvent(kind, format, this.devices) };
    if (format.system === "ftrace" && format.name === "kernel_stack") return "stack";
    const statement = this.#handlers.kernel === undefined ? undefined : rawStatement(format);
    return statement === undefined ? undefined : { statement };
  }

  /**
   * Reads the data of one event.
   *
   * @param time of the clock
   */
  read(raw: RawBytes, start: number, end: number, cpu: number, time: number): void {
    this.records++;
    if (end - start < HEAD_BYTES) {
      this.#damaged(cpu, "an event of less than its head");
      return;
    }
    const id = raw.view.getUint16(start, raw.littleEndian);
    const decoder = this.#decoders[id];
    if (decoder === undefined) this.#passOver(id, cpu);
    else if (decoder === "stack") this.readStack(raw, start + STACK_FRAMES, end, cpu);
    else if ("dma" in decoder) {
      if (decoder.dma.read(this.#event, raw, start, end)) {
        this.#setOrigin(raw, start, cpu, time);
        this.#tell(cpu);
      } else this.#damaged(cpu, "an event that does not read as its format says");
    } else {
      const what = decoder.statement(raw, start, end);
      if (what === undefined) this.#passOver(id, cpu);
      else {
        this.#setOrigin(raw, start, cpu, time);
        this.#tellStatement(what, cpu);
      }
    }
  }

  #tell(cpu: number): void {
    const event = this.#event;
    event.number = this.counts.events++;
    event.line = this.records;
    this.#handlers.linux(event, this);
    this.#owners.push(cpu, event.number, event.line, event.kind);
  }

  #tellStatement(what: KernelStatement, cpu: number): void {
    this.#owners.push(cpu, -1, 0, 0);
    const { seconds, nanoseconds, task, pid } = this.#event;
    this.counts.kernel++;
    this.#handlers.kernel!(
      { what, line: this.records, number: this.counts.events, seconds, nanoseconds, task, pid },
      this,
    );
  }

  /** An event of something else. */
  #passOver(id: number, cpu: number): void {
    this.counts.other++;
    this.#passedOver[id] = (this.#passedOver[id] ?? 0) + 1;
    this.#owners.push(cpu, -1, 0, 0);
  }

  #damaged(cpu: number, message: string): void {
    this.counts.damaged++;
    this.#owners.push(cpu, -1, 0, 0);
    if (this.counts.damaged <= MAX_DAMAGED)
      this.#handlers.gap({ kind: "damaged", line: this.records, message });
  }

  #setOrigin({ view, littleEndian }: RawBytes, start: number, cpu: number, time: number): void {
    const event = this.#event;
    const pid = view.getInt32(start + PROCESS, littleEndian);
    this.clock.set(event, time);
    event.cpu = cpu;
    event.pid = pid;
    if (pid !== this.#lastPid) {
      this.#lastPid = pid;
      this.#lastTask = this.#taskOf.get(pid) ?? this.#unknownTask(pid);
    }
    event.task = this.#lastTask;
  }

  #unknownTask(pid: number): number {
    const task = this.tasks.number(UNKNOWN, 0, UNKNOWN.length);
    if (this.#taskOf.size < 2 ** 20) this.#taskOf.set(pid, task);
    return task;
  }

  /**
   * Reads the addresses of the stack of the last event of the CPU: as many as there are, whatever a format says.
   */
  readStack(raw: RawBytes, start: number, end: number, cpu: number): void {
    let stack = -1;
    for (let at = start; at + 8 <= end; at += 8) stack = this.#frame(stack, raw, at);
    this.counts.stacks++;
    this.#owners.take(cpu, this.stacks, stack);
  }

  #frame(callee: number, raw: RawBytes, at: number): number {
    this.#number.read(raw, at, 8);
    const { hi, lo } = this.#number;
    if (hi === CONTEXT_HI && lo >= CONTEXT_LO) return callee;
    const frame = this.#symbols.frame(hi, lo);
    return this.stacks.caller(callee, frame, 0, frame.length);
  }

  /** Events of a CPU are missing here; 0 for a number that is not known. */
  lose(cpu: number, count: number): void {
    const event = this.#event;
    event.becomeLoss(cpu, count, { number: this.counts.events, line: this.records + 1 });
    this.counts.lostMarkers++;
    this.counts.lost += count;
    this.#handlers.linux(event, this);
  }
}
