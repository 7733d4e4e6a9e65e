// All rows of it.
import "./qemu-lifetimes.test.ts";
