// All rows of it.
import "./stream-check.test.ts";
