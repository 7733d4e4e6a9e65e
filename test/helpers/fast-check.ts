import fc from "fast-check";
import { runSeed } from "./random.ts";

fc.configureGlobal({ seed: runSeed() });

export { default } from "fast-check";
