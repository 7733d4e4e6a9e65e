// All rows of it.
import "./recordings.test.ts";
