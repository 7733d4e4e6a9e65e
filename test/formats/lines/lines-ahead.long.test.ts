// All rows of it.
import "./lines-ahead.test.ts";
