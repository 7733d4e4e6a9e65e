// All rows of it.
import "./run.test.ts";
