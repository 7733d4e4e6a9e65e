import {
  DDW_CREATE,
  DDW_QUERY,
  DDW_REMOVE,
  DDW_RESET,
  GET,
  INDIRECT,
  PUT,
  type QemuTraceEvent,
  STUFF,
} from "../formats/trace/trace-event.ts";
import { SCHEMAS, type TraceSchema } from "../formats/trace/trace-schema.ts";
import { formatTraceEvent, type TraceEvent } from "../spapr/trace-events.ts";

/** Kinds of events that are calls of a guest. */
const CALLS = new Set([PUT, GET, INDIRECT, STUFF, DDW_QUERY, DDW_CREATE, DDW_REMOVE, DDW_RESET]);

/** Lines before the first difference that are kept. */
const CONTEXT = 3;

/** A call that the model makes. */
interface ModelCall {
  readonly schema: TraceSchema;
  /** Halves of the arguments that are compared, by their place in an event's words. */
  readonly halves: readonly (readonly [word: number, value: number])[];
  readonly text: string;
  /** Is its window, for this call and those after it, one that only the set-up writes? */
  readonly direct: number | undefined;
}

/**
 * Where model and recording part. A side that ends first has nothing there.
 *
 * @public
 */
export interface SetUpDifference {
  /** The calls before it that agree, the last few. */
  readonly before: readonly string[];
  readonly model: string | undefined;
  readonly recorded: string | undefined;
  /** Line of the recording, from 1. */
  readonly line: number | undefined;
}

/**
 * Compares the calls that a model of Linux makes to set up its windows with those of a recording, in their order. What
 * drivers do in between with windows that entries are given out of is left out.
 *
 * @public
 */
export class SetUpComparison {
  readonly #calls: readonly ModelCall[];
  #next = 0;
  readonly #recent: string[] = [];
  /** Windows that memory is mapped in directly. */
  readonly #direct = new Set<number>();
  readonly #stops: boolean;
  /** Calls of drivers in the recording, which were left out. */
  leftOut = 0;
  /** Calls that set up windows after the last one of a model that stops. */
  notCompared = 0;
  difference: SetUpDifference | undefined;

  /**
   * @param events what the model did
   * @param stops does the model stop before the recording does? What follows is counted and not compared.
   */
  constructor(events: readonly TraceEvent[], stops = false) {
    this.#calls = events.flatMap((event) => callOf(event));
    this.#stops = stops;
  }

  /** Calls that agree. */
  get compared(): number {
    return this.#next;
  }

  /** All calls of the model. */
  get expected(): number {
    return this.#calls.length;
  }

  /** Takes an event of the recording. */
  handle(event: QemuTraceEvent): void {
    if (this.difference !== undefined || !CALLS.has(event.kind)) return;
    const call = this.#calls[this.#next];
    if (call !== undefined && isSame(call, event)) {
      this.#next++;
      this.#recent.push(call.text);
      if (this.#recent.length > CONTEXT) this.#recent.shift();
      if (event.kind === DDW_CREATE) this.#direct.delete(event.liobn);
      if (call.direct !== undefined) this.#direct.add(call.direct);
    } else if (!this.#isSetUp(event, call)) this.leftOut++;
    else if (call === undefined && this.#stops) this.notCompared++;
    else this.#differ(call?.text, event);
  }

  /** To be called after the last event. */
  end(): void {
    const call = this.#calls[this.#next];
    if (this.difference === undefined && call !== undefined) this.#differ(call.text, undefined);
  }

  #differ(model: string | undefined, event: QemuTraceEvent | undefined): void {
    this.difference = {
      before: [...this.#recent],
      model,
      recorded: event === undefined ? undefined : textOf(event),
      line: event?.position,
    };
  }

  /**
   * Can only the set-up of a window make this call? A driver makes none for windows, none into a window that maps memory
   * directly or will do so, and never frees the first entry of a window at 0, which nobody is given.
   */
  #isSetUp(event: QemuTraceEvent, call: ModelCall | undefined): boolean {
    if (event.kind >= DDW_QUERY) return true;
    if (this.#direct.has(event.liobn) || call?.direct === event.liobn) return true;
    if (event.kind !== STUFF || event.failed) return false;
    // The address of a list that succeeded is the one after it; pages are 4 KiB in a window at 0 that firmware made.
    const first = event.iobaLo - event.pagesLo * 4096;
    return event.iobaHi === 0 && first === 0 && event.pagesLo > 1;
  }
}

/** A call of the model's as it is compared; none for what is no call. */
function callOf(event: TraceEvent): ModelCall[] {
  const schema = SCHEMAS.find(({ name }) => name === event.name)!;
  if (!CALLS.has(schema.kind)) return [];
  const values = event as unknown as Readonly<Record<string, bigint | number>>;
  const halves = schema.fields
    // Where in its memory a guest puts a list is its own affair.
    .filter(({ name }) => name !== "list")
    .flatMap(({ name, word }) => {
      const value = BigInt.asUintN(64, BigInt(values[name]!));
      return [
        [word, Number(value >> 32n)],
        [word + 1, Number(value & 0xffff_ffffn)],
      ] as const;
    });
  const isMap = event.name === "spapr_iommu_pci_indirect" && event.ret === 0;
  return [{ schema, halves, text: formatTraceEvent(event), direct: isMap ? Number(event.liobn) : undefined }];
}

const isSame = ({ schema, halves }: ModelCall, { kind, pci, words }: QemuTraceEvent): boolean =>
  schema.kind === kind && schema.pci === pci && halves.every(([word, value]) => words[word] === value);

/** An event as QEMU's log has it. */
function textOf({ kind, pci, words }: QemuTraceEvent): string {
  const schema = SCHEMAS.find((one) => one.kind === kind && one.pci === pci)!;
  const values = schema.fields.map(({ name, word }) => [
    name,
    (BigInt(words[word]!) << 32n) | BigInt(words[word + 1]!),
  ]);
  return formatTraceEvent({ name: schema.name, ...Object.fromEntries(values) } as TraceEvent);
}
