// All rows of it.
import "./guest-ram.test.ts";
