// All rows of it.
import "./saved-table.test.ts";
