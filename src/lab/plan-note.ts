/**
 * A statement of a plan, with the rules of docs/behaviour.md that it follows.
 *
 * @public
 */
export interface PlanNote {
  /** `error`: QEMU or the guest fails. `warning`: it does not do what one would expect. */
  readonly severity: "info" | "warning" | "error";
  readonly text: string;
  readonly rules: readonly string[];
}
