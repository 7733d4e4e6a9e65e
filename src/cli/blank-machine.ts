import { appendFileSync, createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGzip } from "node:zlib";
import { counted } from "../base/units.ts";
import { blankMachine } from "../check/whole/blank-machine.ts";
import { withInput } from "./input.ts";
import type { NewFile } from "./new-file.ts";

/** Does the name of an output ask for a migration stream? */
export const isStreamName = (output: string): boolean => /\.mig(?:\.gz)?$/.test(output);

/**
 * Writes a saved machine with its guest's memory as zeros.
 *
 * @param snapshot of a disk, whose machine is meant
 * @returns what was done, as a sentence
 * @throws IommuError BAD_ARGUMENT if the input can be read only once
 */
export async function writeBlankMachine(
  input: string,
  output: string,
  file: NewFile,
  snapshot: string | undefined,
): Promise<string> {
  return withInput(input, true, async (data, { name }) => {
    const { pages, chunks } = await blankMachine(data, { name, snapshot });
    file.makeFile();
    if (output.endsWith(".gz")) {
      const packed = createGzip({ level: constants.Z_BEST_COMPRESSION });
      // Pieces are lent: each is copied before the next one is asked for.
      const copies = async function* (): AsyncGenerator<Uint8Array> {
        for await (const chunk of chunks) yield Uint8Array.from(chunk);
      };
      await pipeline(Readable.from(copies(), { objectMode: false }), packed, createWriteStream(file.path));
    } else {
      for await (const chunk of chunks) appendFileSync(file.path, chunk);
    }
    return `${counted(pages, "page")} of guest memory made zero`;
  });
}
