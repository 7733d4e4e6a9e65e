// All rows of it.
import "./feeding.test.ts";
