// All rows of it.
import "./readme.test.ts";
