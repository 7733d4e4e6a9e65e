import { truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { isScriptName, openInput, withoutPacking } from "../../src/cli/input.ts";
import { scratchFolder } from "../helpers/scratch.ts";

it.each(["", ".gz", ".zst", ".xz", ".bz2", ".lzo"])(
  "knows an op script by its name, packed as %s",
  (ending) => {
    expect(isScriptName(`folder/a.jsonl${ending}`)).toBe(true);
    expect(isScriptName(`folder/a.jsonl.log${ending}`)).toBe(false);
    expect(withoutPacking(`a.log${ending}`)).toBe("a.log");
  },
);

it("says that a file became shorter while it was read, after all that was read", async () => {
  const name = path.join(scratchFolder(), "cut.log");
  writeFileSync(name, Buffer.alloc(5_000_000, "spapr_iommu\n"));
  let bytes = 0;
  const reading = async (): Promise<void> => {
    for await (const chunk of openInput(name)) {
      if (bytes === 0) truncateSync(name, 3_000_000);
      bytes += chunk.length;
    }
  };
  await expect(reading()).rejects.toMatchObject({
    code: "BAD_FILE",
    details: {
      early: expect.stringMatching(/became shorter .* it had 5000000 bytes, and ends after 3000000/),
    },
  });
  expect(bytes).toBe(3_000_000);
});
