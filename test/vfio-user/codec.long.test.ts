// All rows of it.
import "./codec.test.ts";
