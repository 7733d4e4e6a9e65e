/** What cells of an argument block hold that a call has not written. */
export const POISON = 0xdead_beef;
/** Cells after the return cells that are looked at, too. */
export const CELLS_BEYOND = 8;

/**
 * What an RTAS call left in its return cells, as recordings show it.
 *
 * @param hret what the hypercall returned, in the words of the caller
 * @param before the cells before the call, from the first return cell
 * @param after the same cells after it, big-endian
 * @param nret number of return cells; what lies after them is shown only where it changed
 */
export function rtasAnswer(
  hret: number | string,
  before: readonly number[],
  after: Uint8Array,
  nret: number,
): Readonly<Record<string, unknown>> {
  const view = new DataView(after.buffer, after.byteOffset, after.length);
  const cells = Array.from({ length: after.length / 4 }, (_, i) => {
    const cell = view.getUint32(i * 4);
    return cell === before[i] ? null : cell;
  });
  const beyond = cells.slice(nret);
  while (beyond.at(-1) === null) beyond.pop();
  return {
    hret,
    rets: cells.slice(0, nret),
    ...(beyond.length > 0 ? { beyond } : {}),
    ...(typeof cells[0] === "number" ? { status: cells[0] | 0 } : {}),
  };
}
