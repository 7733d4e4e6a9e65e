// All rows of it.
import "./replay.test.ts";
