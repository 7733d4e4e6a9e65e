import { reduceList } from "../../script/reduce-list.ts";

/**
 * Reduces a list that fails; see {@link reduceList}.
 *
 * @param fails does a list fail? The whole one does.
 */
export async function shrinkList<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  const reduction = reduceList(items);
  let next = reduction.next();
  while (!next.done) next = reduction.next(await fails(next.value));
  return next.value;
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
