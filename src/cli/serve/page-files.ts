import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { IommuError } from "../../base/errors.ts";
import { SERVED_ATTRIBUTE } from "../../workbench/served.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

const PAGE = "index.html";

/** The name of what the page is told by us. */
export const SERVED_NAME = "served.json";

/** The files of the page, by the names that it asks for. */
export class PageFiles {
  /** What the page may do, by its own words. */
  readonly policy: string;
  readonly #folder: string;
  readonly #names: ReadonlySet<string>;
  readonly #page: Buffer;

  /** @throws IommuError UNSUPPORTED if the page was not built */
  constructor(folder: string) {
    this.#folder = folder;
    let page: string;
    try {
      page = readFileSync(path.join(folder, PAGE), "utf8");
    } catch (cause) {
      const message = `${folder} has no page: npm run build makes it in a checkout`;
      throw new IommuError("UNSUPPORTED", message, { folder }, { cause });
    }
    this.#page = Buffer.from(page.replace("<html", `<html ${SERVED_ATTRIBUTE}="${SERVED_NAME}"`));
    const policy = /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(page)?.[1];
    if (policy === undefined)
      throw new IommuError("BAD_FILE", `${path.join(folder, PAGE)}: has no content security policy`);
    this.policy = policy;
    this.#names = new Set(
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => path.relative(folder, path.join(parentPath, name)))
        .map((name) => name.replaceAll(path.sep, "/")),
    );
  }

  /** A file of the page; undefined if none has that name. Names are compared, not followed. */
  find(asked: string): { readonly type: string; readonly bytes: Buffer } | undefined {
    const name = asked === "" ? PAGE : asked;
    if (!this.#names.has(name)) return undefined;
    const type = TYPES[path.extname(name)] ?? "application/octet-stream";
    return { type, bytes: name === PAGE ? this.#page : readFileSync(path.join(this.#folder, name)) };
  }
}
