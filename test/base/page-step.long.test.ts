// All rows of it.
import "./page-step.test.ts";
