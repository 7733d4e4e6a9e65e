import { describe } from "vitest";
import { callFromCallbacks } from "./callbacks-matrix.ts";

describe("calls from callbacks", () => callFromCallbacks(36, 288));
