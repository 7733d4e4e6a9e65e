// All rows of it.
import "./search.test.ts";
