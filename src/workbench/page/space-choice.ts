import type { ShownFinding, SpaceAt, Summary } from "../protocol.ts";

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
