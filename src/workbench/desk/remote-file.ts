import { IommuError } from "../../base/errors.ts";
import type { ByteFile } from "../../formats/migration/source.ts";
import type { RemoteBytes } from "../served.ts";

/** A file at a server, of which only those bytes are fetched that are read. */
export class RemoteFile implements ByteFile {
  readonly size: number;
  readonly #url: string;

  /** @param bytes their address is absolute: a worker's own is another than the page's */
  constructor({ url, size }: RemoteBytes) {
    this.#url = url;
    this.size = size;
  }

  /** @throws IommuError BAD_FILE if the server does not give them */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(this.size, offset + length);
    if (end <= offset) return new Uint8Array(0);
    const failed = (message: string, cause?: unknown): IommuError =>
      new IommuError("BAD_FILE", message, { url: this.#url }, { cause });
    const request = fetch(this.#url, { headers: { range: `bytes=${offset}-${end - 1}` } });
    const response = await request.catch((cause: unknown) => {
      throw failed("the server that has this file does not answer", cause);
    });
    if (response.status !== 206) throw failed(`the server does not give this file: ${response.status}`);
    const bytes = await response.arrayBuffer().catch((cause: unknown) => {
      throw failed("the server ended within this file", cause);
    });
    if (bytes.byteLength !== end - offset)
      throw failed(`the server gave ${bytes.byteLength} of ${end - offset} bytes`);
    return new Uint8Array(bytes);
  }
}
