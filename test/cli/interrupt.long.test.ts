// All rows of it.
import "./interrupt.test.ts";
