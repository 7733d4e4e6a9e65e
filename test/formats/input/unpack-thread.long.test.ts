// All rows of it.
import "./unpack-thread.test.ts";
