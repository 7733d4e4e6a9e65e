// All rows of it.
import "./cut-inputs.test.ts";
