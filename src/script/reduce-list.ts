/**
 * Reduces a list that shows something to one that still shows it and of which no single item can be left out (delta
 * debugging): parts of half the list are left out first, then ever smaller ones.
 *
 * Yields the lists to try; whoever tries them says whether one still shows it, and may stop at any time.
 *
 * @param isNeeded items that need not be tried
 * @returns the list that is left
 */
export function* reduceList<T>(
  items: readonly T[],
  isNeeded: (item: T) => boolean = () => false,
): Generator<readonly T[], readonly T[], boolean> {
  let rest = items;
  for (let size = Math.ceil(rest.length / 2); size >= 1; ) {
    const before = rest.length;
    for (let at = 0; at < rest.length; ) {
      const without = rest.filter((item, i) => i < at || i >= at + size || isNeeded(item));
      if (without.length < rest.length && (yield without)) rest = without;
      else at += size;
    }
    // Leaving out single items may make others superfluous that were needed before.
    if (size === 1 && rest.length === before) break;
    size = Math.ceil(size / 2);
  }
  return rest;
}
