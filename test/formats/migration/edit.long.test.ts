// All rows of it.
import "./edit.test.ts";
