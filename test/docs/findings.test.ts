import { describe, expect, it } from "vitest";
import { EXAMPLES } from "../../scripts/finding-examples.mjs";
import { findingsDocument } from "../../scripts/findings-document.mjs";
import { FINDING_KINDS } from "../../src/check/findings/kinds.ts";
import { readDocument } from "../helpers/markdown.ts";

describe("docs/findings.md", () => {
  it("is what the code says (npm run findings)", async () => {
    expect((await findingsDocument()) === readDocument("findings.md")).toBe(true);
  });

  it("has every kind once, each with an example of its own", () => {
    const titles = [...readDocument("findings.md").matchAll(/^## (.+)$/gm)].map(([, title]) => title);
    expect(titles).toEqual(Object.keys(FINDING_KINDS));
    expect(Object.keys(EXAMPLES).sort()).toEqual(titles.sort());
  });
});
