import { IommuError } from "../../base/errors.ts";
import { type InputData, isReadOnce } from "../../formats/input/input-data.ts";
import { named, openInput } from "../../formats/input/opened-input.ts";
import { type BlankedStream, blankRam } from "../../formats/migration/blank-ram.ts";
import type { ByteFile, ByteStreamFactory } from "../../formats/migration/source.ts";
import { openMachine } from "../../formats/saved/saved-machine.ts";
import { choiceOf, type InputOptions, nameOf } from "./input-options.ts";

/**
 * A saved machine with its guest's memory as zeros, as a plain migration stream, whatever it is saved in; see `blankRam`
 * of `spapr-iommu/formats`.
 *
 * @param input is read twice: bytes, or what can be opened again; see {@link InputData}
 * @throws IommuError BAD_ARGUMENT if it can be read only once; what the reader of migration streams throws
 * @public
 */
export async function blankMachine(input: InputData, options: InputOptions = {}): Promise<BlankedStream> {
  const name = nameOf(options);
  if (isReadOnce(input))
    throw new IommuError("BAD_ARGUMENT", `${name}: is read twice for this; write it to a file first`);
  const opened = await openInput(input, name, 1);
  if (opened.savedAt === undefined) {
    await opened.chunks.return(undefined);
    const message = `${name}: is no migration stream (these begin with "QEVM") and has none in it`;
    throw new IommuError("BAD_FILE", message, { path: name });
  }
  const { source, container } = await named(name, openMachine(opened, choiceOf(options)));
  return named(name, blankRam(source as ByteFile | ByteStreamFactory, { origin: container.offset }));
}
