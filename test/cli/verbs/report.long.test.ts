// All rows of it.
import "./report.test.ts";
