import { scriptSteps } from "../../check/script-spaces.ts";
import { ownStateOf } from "../../check/state/window-state.ts";
import { statesAtMoments } from "../../check/whole/windows-at.ts";
import type { ByteFile } from "../../formats/migration/source.ts";
import { MomentsRecording, type ShownStep } from "./moments-recording.ts";

/** Reads a saved machine, or a dump of Linux' mappings: one moment. */
export async function readMoment(data: ByteFile, name: string): Promise<MomentsRecording> {
  const [state] = await statesAtMoments(data, [undefined], { name });
  const { format, windows, spaces, saved } = state!;
  const step: ShownStep = { line: 0, name: format, windows, spaces };
  const notes = [
    ...(saved?.machine == null ? [] : [`machine ${saved.machine}`]),
    ...(saved?.remarks ?? []),
    "one moment: it does not tell who mapped what, nor when",
  ];
  return new MomentsRecording(format, [step], "", notes);
}

/**
 * Runs an op script, and keeps the windows after each of its operations.
 *
 * @throws IommuError BAD_FILE with file, line and column of the first mistake; LIMIT_EXCEEDED
 */
export function readOpScriptSteps(text: string, name: string): MomentsRecording {
  const steps: ShownStep[] = [];
  for (const { line, op, windows } of scriptSteps(text, name))
    steps.push({ line, name: op, windows: windows().map(ownStateOf), spaces: [] });
  return new MomentsRecording("op-script", steps, text, []);
}
