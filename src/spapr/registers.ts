import { hiOf, loOf, toBig } from "../base/u64.ts";

/** How many registers take part in a hypercall: r3 to r12. */
const COUNT = 10;

/**
 * The registers of a hypercall, r3 to r12, in halves: r3 holds the number
 * before the call and the status afterwards, r4.. the arguments and results.
 *
 * Register r`n` is `words[2 * (n - 3)]` (high half) and the word behind it (low half).
 *
 * @public
 */
export class HcallRegisters {
  readonly words: Uint32Array<ArrayBuffer> = new Uint32Array(COUNT * 2);

  /** Register `number`, 3 to 12. */
  get(number: number): bigint {
    const at = (number - 3) * 2;
    return toBig(this.words[at]!, this.words[at + 1]!);
  }

  set(number: number, value: bigint): void {
    const at = (number - 3) * 2;
    this.words[at] = hiOf(value);
    this.words[at + 1] = loOf(value);
  }

  /** Loads the number of a hypercall and its arguments; further registers become zero. */
  load(opcode: bigint, args: readonly bigint[]): void {
    this.words.fill(0);
    this.set(3, opcode);
    args.forEach((value, i) => {
      this.set(4 + i, value);
    });
  }
}
