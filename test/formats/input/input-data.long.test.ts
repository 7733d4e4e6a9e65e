// All rows of it.
import "./input-data.test.ts";
