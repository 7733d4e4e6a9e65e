/** The name that a user may have meant, as the end of a message; nothing if none is near. */
export function suggestion(name: string, known: readonly string[]): string {
  let nearest: string | undefined;
  // A third of the letters may be wrong.
  let least = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const other of known) {
    const distance = isBeginning(name, other)
      ? 1
      : editDistance(name.toLowerCase(), other.toLowerCase(), least);
    if (distance >= least) continue;
    least = distance;
    nearest = other;
  }
  return nearest === undefined ? "" : `, did you mean "${nearest}"?`;
}

/** Was the rest left out? */
const isBeginning = (name: string, other: string): boolean => name.length >= 4 && other.startsWith(name);

/** Letters to insert, leave out or replace, if they are fewer than `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (a[i] === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
