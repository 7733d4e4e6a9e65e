// All rows of it.
import "./source.test.ts";
