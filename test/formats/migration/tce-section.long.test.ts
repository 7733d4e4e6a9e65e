// All rows of it.
import "./tce-section.test.ts";
