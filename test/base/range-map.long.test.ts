// All rows of it.
import "./range-map.test.ts";
