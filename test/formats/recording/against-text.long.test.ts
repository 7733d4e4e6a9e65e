// All rows of it.
import "./against-text.test.ts";
