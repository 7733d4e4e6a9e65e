// All rows of it.
import "./linux-statistics.test.ts";
