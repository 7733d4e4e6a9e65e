// All rows of it.
import "./terminal.test.ts";
