// All rows of it.
import "./stream-writer.test.ts";
