// All rows of it.
import "./invariants.test.ts";
