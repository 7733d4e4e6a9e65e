import type { InputOptions } from "../../check/whole/input-options.ts";
import { statesAtMoments } from "../../check/whole/windows-at.ts";
import type { ByteFile } from "../../formats/migration/source.ts";
import { choiceNotes } from "../../formats/saved/saved-machine.ts";
import { MomentsRecording, type ShownStep } from "./moments-recording.ts";

/** Reads a saved machine, or a dump of Linux' mappings: one moment. */
export async function readMoment(data: ByteFile, options: InputOptions): Promise<MomentsRecording> {
  const [state] = await statesAtMoments(data, [undefined], options);
  const { format, windows, spaces, saved } = state!;
  const step: ShownStep = { line: 0, kind: "moment", names: undefined, windows, spaces };
  const notes = [
    ...(saved?.machine == null ? [] : [`machine ${saved.machine}`]),
    ...(saved === undefined ? [] : [...choiceNotes(saved), ...saved.remarks]),
    "one moment: it does not tell who mapped what, nor when",
  ];
  return new MomentsRecording(format, [step], "", notes);
}
