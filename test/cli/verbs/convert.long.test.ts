// Whole recordings, and all rows of it.
import "./convert.test.ts";
