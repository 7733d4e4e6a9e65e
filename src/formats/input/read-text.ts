import { DEFAULT_INPUT_NAME, type InputData } from "./input-data.ts";
import { openInput } from "./opened-input.ts";
import { textOf } from "./text.ts";

/**
 * The text of an input, unpacked if it is packed by gzip.
 *
 * @param name of the input, for messages
 * @throws IommuError BAD_FILE if it is no UTF-8, with the place, or cannot be unpacked; LIMIT_EXCEEDED for more than
 * 32 MiB of text
 * @public
 */
export async function readText(input: InputData, name: string = DEFAULT_INPUT_NAME): Promise<string> {
  return textOf((await openInput(input, name, 1)).chunks, name);
}
