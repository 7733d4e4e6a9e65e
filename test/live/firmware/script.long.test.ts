// All rows of it.
import "./script.test.ts";
