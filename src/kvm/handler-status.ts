import type { H_TOO_HARD } from "../spapr/accelerator.ts";
import { HStatus } from "../spapr/papr.ts";

/** What a handler of KVM answers, beside H_TOO_HARD. */
export const H_SUCCESS: typeof HStatus.SUCCESS = HStatus.SUCCESS;
export const H_PARAMETER: typeof HStatus.PARAMETER = HStatus.PARAMETER;

/** H_TOO_HARD: user space does the call from the start. */
export type HandlerStatus = typeof H_SUCCESS | typeof H_PARAMETER | typeof H_TOO_HARD;
