import "./schema.test.ts";
import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, it } from "vitest";
import { CALLS, MORE_CALLS } from "./schema-calls.ts";
import { followsSchema, isCheckable, jsonFollowsSchema } from "./schemas.ts";

const CORPUS = path.resolve(import.meta.dirname, "../corpus");
const filesOf = (kind: string, ending: RegExp): string[] =>
  readdirSync(path.join(CORPUS, kind))
    .filter((name) => ending.test(name) && !name.endsWith(".json.gz"))
    .map((name) => path.join(CORPUS, kind, name));

const CASES = path.resolve(import.meta.dirname, "../cases");

describe("the schemas hold for all recordings", () => {
  it.each(readdirSync(CASES).filter((name) => name.includes(".") && isCheckable(path.join(CASES, name))))(
    "%s",
    async (name) => {
      await jsonFollowsSchema(["check", path.join(CASES, name)]);
    },
  );

  it.each(filesOf("traces", /\.(?:log|txt|simple)\.gz$/))("%s", async (file) => {
    for (const verb of ["check", "info", "map", "stat", "alive"]) await jsonFollowsSchema([verb, file]);
  });

  it.each(filesOf("migration", /\.mig\.gz$/))("%s", async (file) => {
    for (const verb of ["check", "info", "map"]) await jsonFollowsSchema([verb, file]);
  });

  it.each(filesOf("hcall", /\.jsonl\.gz$/))("%s", async (file) => {
    for (const args of [["exec"], ["exec", "--check"], ["check"]]) await jsonFollowsSchema([...args, file]);
  });
});

describe.each([...Object.entries(CALLS), ...Object.entries(MORE_CALLS)])(
  "the schema of %s holds, as do its rows",
  (verb, calls) => {
    it.each(calls.map((args) => ({ args })))("$args", ({ args }) => followsSchema([verb, ...args]));
  },
);
