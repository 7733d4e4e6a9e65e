/**
 * Shrinks a list that fails to one that still fails and of which no single item
 * can be left out: parts of half the list are tried first, then ever smaller ones.
 *
 * @param fails does a list fail? The whole one does.
 */
export async function shrinkList<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let current = items;
  let size = Math.ceil(current.length / 2);
  while (size >= 1 && current.length > 0) {
    const before = current.length;
    for (let at = 0; at < current.length; ) {
      const without = [...current.slice(0, at), ...current.slice(at + size)];
      if (await fails(without)) current = without;
      else at += size;
    }
    // Leaving out single items may make others superfluous that were needed before.
    if (size > 1) size = Math.ceil(size / 2);
    else if (current.length === before) break;
  }
  return current;
}

/**
 * Replaces each item by the first of its simpler forms with which the list
 * still fails, until none has one.
 *
 * @param simpler forms of an item, the simplest first; each must come to an end
 */
export async function simplifyItems<T>(
  items: readonly T[],
  simpler: (item: T) => readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  const current = [...items];
  for (let at = 0; at < current.length; at++) {
    for (let found = true; found; ) {
      found = false;
      for (const form of simpler(current[at]!)) {
        if (!(await fails(current.with(at, form)))) continue;
        current[at] = form;
        found = true;
        break;
      }
    }
  }
  return current;
}
