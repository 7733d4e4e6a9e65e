// All rows of it.
import "./qemu-files.test.ts";
