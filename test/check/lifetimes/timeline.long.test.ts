// All rows of it.
import "./timeline.test.ts";
