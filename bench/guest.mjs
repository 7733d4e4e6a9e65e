/**
 * What a guest does in benchmarks: registers of a hypercall, and pages mapped in a huge window.
 *
 * @module
 */

import { Hcall } from "./engine.mjs";
import { check } from "./harness.mjs";

/** Entries of the window of 128 TiB in pages of 64 KiB. */
export const HUGE = 2 ** 31;

// Where registers lie in the words of HcallRegisters: the low half of r3 to r7.
export const OPCODE = 1;
export const LIOBN = 3;
export const IOBA_HI = 4;
export const IOBA = 5;
export const TCE_HI = 6;
export const TCE = 7;
export const PAGES = 9;

/** Maps page `indexes[i]` of the huge window to page `targets[i]`, one H_PUT_TCE each. */
export function mapPages({ machine, regs, window }, indexes, targets) {
  const busHi = Number(window.busOffset >> 32n);
  regs[OPCODE] = Hcall.PUT_TCE;
  regs[LIOBN] = window.liobn;
  let refused = 0;
  for (let i = 0; i < indexes.length; i++) {
    regs[IOBA_HI] = busHi + Math.floor(indexes[i] / 0x1_0000);
    regs[IOBA] = (indexes[i] % 0x1_0000) * 0x1_0000;
    regs[TCE_HI] = Math.floor(targets[i] / 0x1_0000);
    regs[TCE] = (targets[i] % 0x1_0000) * 0x1_0000 + 3;
    refused |= machine.hcall(regs);
  }
  check(refused === 0 && window.table.validCount === indexes.length, "pages mapped");
}

/** The numbers from 0, `step` apart. */
export const ascending = (count, step = 1) => Float64Array.from({ length: count }, (_, i) => i * step);
