// All rows of it.
import "./saved-machine.test.ts";
