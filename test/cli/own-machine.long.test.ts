import { describe } from "vitest";
import { refuseHostile } from "./hostile-machines.ts";

describe("a hostile file", () => refuseHostile("all"));
