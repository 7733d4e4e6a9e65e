import { expect, it } from "vitest";
import { isScriptName, withoutPacking } from "../../src/cli/input.ts";

it.each(["", ".gz", ".zst", ".xz", ".bz2", ".lzo"])(
  "knows an op script by its name, packed as %s",
  (ending) => {
    expect(isScriptName(`folder/a.jsonl${ending}`)).toBe(true);
    expect(isScriptName(`folder/a.jsonl.log${ending}`)).toBe(false);
    expect(withoutPacking(`a.log${ending}`)).toBe("a.log");
  },
);
