import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VERBS } from "../../../src/cli/command-line.ts";
import { commandOf } from "../../../src/cli/verb.ts";
import { scratchFolder } from "../../helpers/scratch.ts";

/** Some examples write files. */
const folder = scratchFolder();
const here = process.cwd();
beforeAll(() => process.chdir(folder));
afterAll(() => process.chdir(here));

/** Words as a shell cuts them, up to a redirection. */
const wordsOf = (example: string): string[] =>
  [...example.split(" > ")[0]!.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!);

const verbs = await Promise.all(
  Object.entries(VERBS).map(async ([name, load]) => ({ name, ...(await load()) })),
);

describe.each(verbs)("$name", ({ name, verb }) => {
  it("is listed under its name, with examples", () => {
    expect(verb.name).toBe(name);
    expect(verb.examples.length).toBeGreaterThan(0);
  });

  it.each(verb.examples)("is called as its help says: %s", async (example) => {
    const [called, ...words] = wordsOf(example);
    expect(called).toBe(name);
    let parameters: readonly unknown[] = [];
    const run = async (...given: readonly unknown[]): Promise<number> => {
      parameters = given;
      return 5;
    };
    let status = 0;
    const command = commandOf({ ...verb, run }, (code) => {
      status = code;
    });
    await command.exitOverride().parseAsync(words, { from: "user" });
    expect(status).toBe(5);
    // The arguments, then the options.
    expect(parameters).toHaveLength(verb.arguments.length + 1);
    expect(parameters.at(-1)).toMatchObject({});
  });
});
