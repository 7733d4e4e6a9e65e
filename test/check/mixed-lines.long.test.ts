// All rows of it.
import "./mixed-lines.test.ts";
