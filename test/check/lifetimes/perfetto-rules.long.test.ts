// All rows of it.
import "./perfetto-rules.test.ts";
