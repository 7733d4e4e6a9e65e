import type { CallStacks } from "../trace/call-stacks.ts";

/** Events of a CPU that wait for their stacks: of a task, of interrupts of several kinds, and some that have none. */
const MAX_PENDING = 8;
/** Numbers that are kept of each: of the event (-1: not ours), of its record, of its kind. */
const NUMBERS = 3;

/** Events of a CPU. */
interface Pending {
  readonly cpu: number;
  readonly numbers: Float64Array;
  /** Events that were pushed and not taken, and those of them that are kept. */
  length: number;
  waiting: number;
}

/**
 * Whose the call stacks are that stand behind events on the same CPU, also where other events are between the two: an
 * interrupt between an event and its stack brings others with theirs, and so the last event gets the first stack.
 */
export class StackOwners {
  readonly #pending = new Map<number, Pending>();
  /** That of the CPU of the last event. */
  #last: Pending = { cpu: Number.NaN, numbers: new Float64Array(0), length: 0, waiting: 0 };

  /** An event was read; number -1 for one that is not ours. */
  push(cpu: number, number: number, record: number, kind: number): void {
    const pending = this.#last.cpu === cpu ? this.#last : this.#of(cpu);
    const { numbers } = pending;
    // The oldest one gives way: a ring.
    const at = (pending.length++ % MAX_PENDING) * NUMBERS;
    numbers[at] = number;
    numbers[at + 1] = record;
    numbers[at + 2] = kind;
    if (pending.waiting < MAX_PENDING) pending.waiting++;
  }

  #of(cpu: number): Pending {
    let pending = this.#pending.get(cpu);
    if (pending === undefined) {
      pending = { cpu, numbers: new Float64Array(MAX_PENDING * NUMBERS), length: 0, waiting: 0 };
      this.#pending.set(cpu, pending);
    }
    this.#last = pending;
    return pending;
  }

  /** A stack was read: the last event of the CPU without one has it. */
  take(cpu: number, stacks: CallStacks, stack: number): void {
    const pending = this.#of(cpu);
    if (pending.waiting === 0) return;
    pending.waiting--;
    const at = (--pending.length % MAX_PENDING) * NUMBERS;
    const { numbers } = pending;
    if (numbers[at]! >= 0) stacks.set(numbers[at]!, numbers[at + 1]!, numbers[at + 2]!, stack);
  }
}
