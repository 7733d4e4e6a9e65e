/**
 * Scripts that run: op scripts and kernel scripts on machines of ours, and recordings that are compared with them.
 *
 * @module
 */

export type { OpResult } from "./op/result.ts";
export { OpRunner, runOpScript } from "./op/run.ts";
export { parseRecording } from "./parse-recording.ts";
export type { CheckedLine, Recording, RunRecordingOptions, Verdict } from "./recording.ts";
