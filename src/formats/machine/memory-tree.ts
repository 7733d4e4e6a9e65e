import { hex } from "../../base/u64.ts";
import { checkedWindow, type ToldWindow } from "./told-window.ts";

/** A window's region in QEMU's `info mtree`, or a visible piece of it (`@` its offset) in `info mtree -f`. */
const REGION =
  /^\s*([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, i\/o\): tce-iommu-([0-9a-f]{1,8})(?: @([0-9a-f]{16}))?(?: .*)?\r?$/gm;

/**
 * The windows in the text of QEMU's `info mtree` or `info mtree -f`. Page sizes are not in it. Of a window that
 * another region cuts, the end that is seen is taken.
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
      bytes: last - first + 1n,
      page: undefined,
    }),
  );
}
