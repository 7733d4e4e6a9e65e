import { describe } from "vitest";
import { readBombs } from "./script-bombs.ts";

describe("a script that is small when packed", () => readBombs("all"));
