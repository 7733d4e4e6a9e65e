import { readdirSync, readFileSync } from "node:fs";

const FOLDER = new URL("../../docs/api-report/", import.meta.url);

/** What an entry point exports under a name: its declaration, or only the type of it. */
export interface Exported {
  readonly name: string;
  readonly typeOnly: boolean;
  readonly text: string;
}

/**
 * The exports of the entry points, by their names (`spapr-iommu/check`), as docs/api-report has them: `npm run packagecheck`
 * fails where that is not what was compiled, which takes seconds to find out.
 */
export const reportedApi = (): ReadonlyMap<string, readonly Exported[]> =>
  new Map(
    readdirSync(FOLDER).map((file) => {
      const [head, ...sections] = readFileSync(new URL(file, FOLDER), "utf8").split(/^### /m);
      return [/^# `(.*)`$/m.exec(head!)![1]!, sections.map(exported)];
    }),
  );

function exported(section: string): Exported {
  const [, name, typeOnly, text] = /^(\w+)( \(type only\))?\n\n```ts\n([\s\S]*?)\n```\n/.exec(section)!;
  return { name: name!, typeOnly: typeOnly !== undefined, text: text! };
}
