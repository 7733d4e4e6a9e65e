// All rows of it.
import "./whole-inputs.test.ts";
