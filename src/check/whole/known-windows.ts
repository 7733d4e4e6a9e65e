import { IommuError } from "../../base/errors.ts";
import type { InputData } from "../../formats/input/input-data.ts";
import { named, openInput } from "../../formats/input/opened-input.ts";
import { textOf } from "../../formats/input/text.ts";
import { windowsOfMemoryTree } from "../../formats/machine/memory-tree.ts";
import { readMachine } from "../../formats/machine/read-machine.ts";
import type { ToldWindow } from "../../formats/machine/told-window.ts";
import { parseOpScript } from "../../formats/op-script/script.ts";
import { readSavedMachine } from "../../formats/saved/saved-machine.ts";
import { windowsOfSaved } from "../saved/saved-windows.ts";
import { windowsOfMachine } from "../script-trace.ts";
import { HEAD_BYTES, isScriptHead } from "./input-kind.ts";
import { choiceOf, type InputOptions, nameOf } from "./input-options.ts";

/**
 * The DMA windows of a machine, for who checks a trace of it that does not tell of them.
 *
 * @param input an op script, of which the header is taken, a saved machine, text of QEMU's `info mtree -f`, or a command
 *   line of QEMU's or the JSON beside a recorded boot, for the windows that are there before the guest makes any
 * @throws IommuError UNSUPPORTED if it is none of these; BAD_FILE, BAD_ARGUMENT for one with a mistake
 * @public
 */
export async function knownWindows(input: InputData, options: InputOptions = {}): Promise<ToldWindow[]> {
  const name = nameOf(options);
  const opened = await openInput(input, name, HEAD_BYTES);
  try {
    if (opened.savedAt !== undefined) {
      const { stream } = await named(name, readSavedMachine(opened, choiceOf(options)));
      return windowsOfSaved(stream.windows);
    }
    const text = await textOf(opened.chunks, name);
    if (isScriptHead(opened.head)) return windowsOfMachine(parseOpScript(text, name).config);
    const windows = windowsOfMemoryTree(text);
    if (windows.length > 0) return windows;
    const machine = readMachine(text, name);
    if (machine !== undefined) return windowsOfMachine({ phbs: machine.bridges, vio: machine.vioDevices });
    const wanted =
      "an op script, a saved machine, the text of QEMU's `info mtree -f`, or a command line of QEMU's";
    throw new IommuError("UNSUPPORTED", `${name}: no DMA window is told of: it should be ${wanted}`);
  } finally {
    await opened.chunks.return(undefined);
  }
}
