import { it } from "vitest";
import { corpusNames } from "../../helpers/corpus.ts";
import { compareAnswers } from "./rebuilt.ts";

it.each(corpusNames("traces", ".log.gz"))(
  "a rebuilt trace gives every answer that real QEMU gave: %s",
  compareAnswers,
);
