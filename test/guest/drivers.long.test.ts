// All rows of it.
import "./drivers.test.ts";
