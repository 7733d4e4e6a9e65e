import { hex } from "../../base/u64.ts";
import { checkedWindow, type ToldWindow } from "./told-window.ts";

/**
 * A window's region in QEMU's `info mtree`, or a visible piece of it (`@` its offset) in `info mtree -f`. QEMU marks one that
 * goes beyond 2^64.
 */
const REGION =
  /^(?:\[DETECTED OVERFLOW!\])?\s*([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, i\/o\): tce-iommu-([0-9a-f]{1,8})(?: @([0-9a-f]{16}))?(?: .*)?\r?$/gm;
/** What is around the window of a VIO device, while that bypasses it, in `info mtree -D`. */
const BYPASSED = /: tce-root-([0-9a-f]{1,8}) \[disabled\]/g;

/** LIOBNs of the windows that a device bypasses, in the text of QEMU's `info mtree -D`; the other forms do not have them. */
export const bypassedInMemoryTree = (text: string): number[] =>
  [...text.matchAll(BYPASSED)].map(([, number]) => Number.parseInt(number!, 16));

/**
 * The windows in the text of QEMU's `info mtree`, with `-D` also those that a VIO device bypasses, or of `info mtree -f`, where
 * of a window that another region cuts the end that is seen is taken. Page sizes are not in it.
 *
 * @throws IommuError BAD_ARGUMENT for a region that no window can be
 */
export function windowsOfMemoryTree(text: string): ToldWindow[] {
  const ranges = new Map<number, { readonly first: bigint; last: bigint; line: string }>();
  for (const [line, from, to, number, offset = "0"] of text.matchAll(REGION)) {
    const liobn = Number.parseInt(number!, 16);
    const first = BigInt.asUintN(64, BigInt(`0x${from}`) - BigInt(`0x${offset}`));
    const last = BigInt(`0x${to}`);
    const known = ranges.get(liobn);
    if (known === undefined) ranges.set(liobn, { first, last, line: line.trim() });
    else if (last > known.last) known.last = last;
  }
  return [...ranges].map(([liobn, { first, last, line }]) =>
    checkedWindow(line === "" ? hex(liobn) : line, {
      liobn: BigInt(liobn),
      busOffset: first,
      bytes: BigInt.asUintN(64, last - first + 1n),
      page: undefined,
    }),
  );
}
