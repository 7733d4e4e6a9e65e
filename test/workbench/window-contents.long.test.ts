// All rows of it.
import "./window-contents.test.ts";
