// All rows of it.
import "./simple-trace.test.ts";
