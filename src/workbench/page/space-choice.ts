import type { Selection } from "../maths/hash.ts";
import type { ShownFinding, Space, SpaceAt, Summary } from "../protocol.ts";

/** The space that a finding is of. */
export function spaceNameOf({ liobn, device }: ShownFinding): string | undefined {
  if (liobn !== undefined) return `0x${liobn.toString(16)}`;
  return device;
}

/** The space that is shown first. */
export const firstSpace = ({ spaces }: Summary): string => spaces[0]?.name ?? "";

/** The space with most in it. */
export const fullest = (spaces: readonly SpaceAt[]): string | undefined =>
  spaces.toSorted((a, b) => b.mapped - a.mapped)[0]?.name;

/** Is a finding about the selected addresses, and has it an event in the selected time? */
export function isSelected(
  finding: ShownFinding,
  space: Space,
  { from, to, first, end }: Selection,
): boolean {
  const { ioba, pages, events } = finding;
  if (spaceNameOf(finding) !== space.name || !events.some((event) => event >= from && event <= to))
    return false;
  if (ioba === undefined) return true;
  const page = Number(BigInt.asUintN(64, ioba - space.start) >> BigInt(space.pageShift));
  return page < end && page + Math.max(1, pages) > first;
}
