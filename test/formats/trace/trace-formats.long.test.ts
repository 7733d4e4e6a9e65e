// All rows of it.
import "./trace-formats.test.ts";
