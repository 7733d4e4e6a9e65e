// All rows of it.
import "./broken-scripts.test.ts";
