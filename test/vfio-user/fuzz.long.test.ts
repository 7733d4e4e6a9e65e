// All rows of it.
import "./fuzz.test.ts";
