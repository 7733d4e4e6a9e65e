import { checkedNumber, checkedU64 } from "../base/checked.ts";
import { IommuError } from "../base/errors.ts";
import { hiOf, loOf, toBig } from "../base/u64.ts";

/** The registers that take part in a hypercall: r3 to r12. */
const FIRST = 3;
const LAST = 12;
/** How many arguments there are: r4 to r12. */
const MAX_ARGUMENTS = LAST - FIRST;

/**
 * The registers of a hypercall, r3 to r12, in halves: r3 holds the number
 * before the call and the status afterwards, r4.. the arguments and results.
 *
 * Register r`n` is `words[2 * (n - 3)]` (high half) and the word after it (low half).
 *
 * Numbers of registers and values are checked: IommuError BAD_ARGUMENT for
 * what is no whole number, OUT_OF_RANGE for what is too small or too large.
 *
 * @public
 */
export class HcallRegisters {
  readonly words: Uint32Array<ArrayBuffer> = new Uint32Array((LAST - FIRST + 1) * 2);

  /** Register `number`, 3 to 12. */
  get(number: number): bigint {
    const at = placeOf(number);
    return toBig(this.words[at]!, this.words[at + 1]!);
  }

  /** @param value 0 to 2^64 - 1; a number must be exact, which is below 2^53 */
  set(number: number, value: number | bigint): void {
    const at = placeOf(number);
    const checked = checkedU64(value, NAMES[number]!);
    this.words[at] = hiOf(checked);
    this.words[at + 1] = loOf(checked);
  }

  /**
   * Loads the number of a hypercall and its arguments; further registers become zero.
   *
   * @throws IommuError BAD_ARGUMENT or OUT_OF_RANGE; the registers before the wrong one are loaded then
   */
  load(opcode: number | bigint, args: readonly (number | bigint)[]): void {
    if (args.length > MAX_ARGUMENTS) {
      const count = args.length;
      const what = `${count} arguments of a hypercall: there are registers for ${MAX_ARGUMENTS}`;
      throw new IommuError("OUT_OF_RANGE", what, { count });
    }
    this.words.fill(0);
    this.set(FIRST, opcode);
    for (let i = 0; i < args.length; i++) this.set(FIRST + 1 + i, args[i]!);
  }
}

/** Made once: each argument of each call needs one. */
const NAMES: readonly string[] = Array.from({ length: LAST + 1 }, (_, number) => `r${number}`);

const placeOf = (number: number): number => (checkedNumber(number, "register", FIRST, LAST) - FIRST) * 2;
