// The reference of the API: docs/api, from the doc comments of what the entry points export.
//
//     npm run docs
import path from "node:path";
import { Application } from "typedoc";
import { entryPoints } from "./declarations.mjs";

const ROOT = path.resolve(import.meta.dirname, "../..");

const app = await Application.bootstrap({
  // Declarations, not sources: they are what users get, without what is internal.
  entryPoints: entryPoints().map(({ file }) => file),
  tsconfig: path.join(import.meta.dirname, "tsconfig.json"),
  basePath: path.join(ROOT, "dist"),
  name: "spapr-iommu",
  readme: path.join(ROOT, "README.md"),
  projectDocuments: ["recipes", "findings"].map((name) => path.join(ROOT, `docs/${name}.md`)),
  highlightLanguages: ["ts", "typescript", "jsonl", "json", "sh", "console", "text"],
  disableSources: true,
  excludeExternals: true,
  excludePrivate: true,
  treatWarningsAsErrors: true,
  validation: { notExported: true, invalidLink: true, notDocumented: false },
  out: path.join(ROOT, "docs/api"),
});
const project = await app.convert();
if (project !== undefined) {
  app.validate(project);
  if (!app.logger.hasErrors() && !app.logger.hasWarnings()) await app.generateOutputs(project);
}
process.exitCode = app.logger.hasErrors() || app.logger.hasWarnings() ? 1 : 0;
