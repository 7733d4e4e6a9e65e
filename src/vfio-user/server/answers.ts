import { RefusedError } from "../peer.ts";
import { ErrnoNumber } from "../protocol/errno.ts";
import type { Frame } from "../protocol/layout.ts";
import { type CommandContext, type HandlerAnswer, NO_ANSWER } from "./context.ts";

/** Regions of a PCI device, and one more. */
export const REGIONS = 9;

/** A command that asks for what is not there or not right. */
export const invalid = (what: string): RefusedError => new RefusedError(ErrnoNumber.EINVAL, what);

/** Does something when the device has come to rest. */
export function whenQuiet(
  session: CommandContext,
  act: () => HandlerAnswer | Promise<HandlerAnswer>,
): HandlerAnswer | Promise<HandlerAnswer> {
  const resting = session.quiesce();
  if (resting === undefined) return act();
  return resting.then((answer) => (answer === NO_ANSWER ? NO_ANSWER : act()));
}

/** A refusal has the body of a success, where the profile says so. */
export function withBody({ profile }: CommandContext, error: unknown, frame: Frame): unknown {
  if (!profile.errorBodies) return error;
  const errno = error instanceof RefusedError ? error.errno : ErrnoNumber.EINVAL;
  return new RefusedError(errno, "the device refused", frame);
}
