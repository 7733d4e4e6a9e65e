import type { CallStacks } from "../trace/call-stacks.ts";

/** Events of a CPU that wait for their stacks: of a task, of interrupts of several kinds, and some that have none. */
const MAX_PENDING = 8;
/** Numbers that are kept of each: of the event (-1: not ours), of its record, of its kind. */
const NUMBERS = 3;

/**
 * Whose the call stacks are that stand behind events on the same CPU, also where other events are between the two: an
 * interrupt between an event and its stack brings others with theirs, and so the last event gets the first stack.
 */
export class StackOwners {
  readonly #pending = new Map<number, Float64Array>();
  readonly #lengths = new Map<number, number>();

  /** An event was read; number -1 for one that is not ours. */
  push(cpu: number, number: number, record: number, kind: number): void {
    let pending = this.#pending.get(cpu);
    if (pending === undefined) {
      pending = new Float64Array(MAX_PENDING * NUMBERS);
      this.#pending.set(cpu, pending);
    }
    let length = this.#lengths.get(cpu) ?? 0;
    if (length === MAX_PENDING) {
      pending.copyWithin(0, NUMBERS);
      length--;
    }
    pending[length * NUMBERS] = number;
    pending[length * NUMBERS + 1] = record;
    pending[length * NUMBERS + 2] = kind;
    this.#lengths.set(cpu, length + 1);
  }

  /** A stack was read: the last event of the CPU without one has it. */
  take(cpu: number, stacks: CallStacks, stack: number): void {
    const length = this.#lengths.get(cpu) ?? 0;
    if (length === 0) return;
    this.#lengths.set(cpu, length - 1);
    const pending = this.#pending.get(cpu)!;
    const at = (length - 1) * NUMBERS;
    if (pending[at]! >= 0) stacks.set(pending[at]!, pending[at + 1]!, pending[at + 2]!, stack);
  }
}
