// All rows of it.
import "./line-store.test.ts";
