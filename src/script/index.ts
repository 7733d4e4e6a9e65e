/**
 * Scripts that run: op scripts and kernel scripts on machines of ours, and recordings that are compared with them.
 *
 * @module
 */

export { type FuzzOptions, type FuzzReport, fuzzDevice } from "./device/fuzz.ts";
export { type FuzzRegister, type FuzzTarget, MAILBOX_TARGET } from "./device/fuzz-target.ts";
export { parseFuzzTarget } from "./device/parse-target.ts";
export type { DeviceFinding, DeviceFindingKind } from "./device/result.ts";
export { DeviceRunner } from "./device/run.ts";
export type { OpResult } from "./op/result.ts";
export { OpRunner, runOpScript } from "./op/run.ts";
export { parseRecording } from "./parse-recording.ts";
export type { CheckedLine, Recording, RunRecordingOptions, Verdict } from "./recording.ts";
