// All rows of it.
import "./unpacked.test.ts";
