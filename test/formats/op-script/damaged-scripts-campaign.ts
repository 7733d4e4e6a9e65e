import { describe, expect, it } from "vitest";
import { IommuError } from "../../../src/base/errors.ts";
import { parseOpScript } from "../../../src/formats/op-script/script.ts";
import { OpRunner } from "../../../src/script/op/run.ts";
import { corpusNames, readCorpus } from "../../helpers/corpus.ts";
import { Random, runSeed } from "../../helpers/random.ts";

const HEADER = '{"header":1}';

/** Recorded scripts with random damage run, or are refused as bad files with a place. */
export function runDamaged(rounds: number): void {
  describe("a script with random damage", () => {
    const small = corpusNames("hcall", ".gz").filter((name) => !name.startsWith("random"));
    const texts = small.map((name) => new TextDecoder().decode(readCorpus("hcall", name)));
    // Values of every kind that might stand where another one was.
    const JUNK = [
      "null",
      "-1",
      '""',
      "[]",
      "{}",
      '"0x0"',
      "1e99",
      '"0xffffffffffffffff"',
      "true",
      "16",
      '"spapr-vty"',
      "\u0000",
      '"\\u12"',
      "\\",
      '"',
      ",",
      "0x",
    ];

    function damage(text: string, random: Random): string {
      const at = random.below(text.length);
      switch (random.below(5)) {
        case 0:
          return text.slice(0, at);
        case 1:
          return text.slice(0, at) + text.slice(at + 1 + random.below(5));
        case 2:
          return text.slice(0, at) + random.pick(JUNK) + text.slice(at + random.below(3));
        case 3: {
          // Replace one value of the script by another kind of value.
          const values = [...text.matchAll(/(?<=:)("[^"]*"|\d+|true|false|\[[^[\]]*\])/g)];
          if (values.length === 0) return "";
          const match = random.pick(values);
          return text.slice(0, match.index) + random.pick(JUNK) + text.slice(match.index + match[0].length);
        }
        default: {
          const lines = text.split("\n");
          const [from, to] = [random.below(lines.length), random.below(lines.length)];
          [lines[from], lines[to]] = [lines[to]!, lines[from]!];
          return lines.join("\n");
        }
      }
    }

    it(`runs, or is refused as a bad file with a place, nothing else: ${rounds} scripts, SEED=${runSeed()}`, () => {
      const seed = runSeed();
      const random = new Random(seed);
      let refused = 0;
      let ran = 0;
      for (let round = 0; round < rounds; round++) {
        // The header and a few lines from anywhere, so that damage often hits the header.
        const lines = random.pick(texts).split("\n");
        const from = 1 + random.below(lines.length);
        let text = [lines[0], ...lines.slice(from, from + 6)].join("\n");
        for (let hits = 1 + random.below(2); hits > 0; hits--) text = damage(text, random) || HEADER;
        try {
          const script = parseOpScript(text, "fuzz");
          const runner = new OpRunner(script.config);
          for (const { operation } of script.lines) {
            // Long loops are allowed, but not here.
            if (
              ("count" in operation && operation.count > 1e4) ||
              ("len" in operation && operation.len > 1e6)
            )
              continue;
            runner.run(operation);
          }
          ran++;
        } catch (error) {
          if (
            !(error instanceof IommuError) ||
            error.code !== "BAD_FILE" ||
            !/^fuzz:\d+:\d+: /.test(error.message)
          ) {
            throw new Error(`SEED=${seed} ${JSON.stringify(text)}`, { cause: error });
          }
          refused++;
          // A place that exists, and a reason other than "some JSON error".
          const [, line, column] = error.message.split(":").map(Number);
          const damaged = text.split("\n")[line! - 1] ?? "";
          if (column! > damaged.length + 1 || error.message.includes("expected JSON")) throw error;
        }
      }
      expect(refused).toBeGreaterThan(rounds / 5);
      expect(ran).toBeGreaterThan(rounds / 15);
    });
  });
}
